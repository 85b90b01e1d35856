"""Recipes of a classifier: what its settings are where nobody says them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from defectory.job_settings.classifier_training import SMALLEST_PX, ClassifierRecipe, RecipeName

BASE_PX = 224  # side of the images that the base's ImageNet weights come from
# The paper's recipe; what it leaves open is named in docs/classifier.md with its reason. Its input is the dataset's.
PAPER: Mapping[str, Any] = MappingProxyType({
    "width_multiplier": 1.0, "head_units": 256, "dropout": 0.3, "l2": 0.01, "trainable_base": "all", "focal_gamma": 2.0,
    "label_smoothing": 0.0, "class_balance": 0.0, "epochs": 40, "learning_rate": 1e-5, "base_rate": 1.0,
    "decay": "none", "warmup_epochs": 0, "warmup_rate": 1e-3, "patience": 0, "augment": 0.0, "mirror_x": False,
    "mirror_y": False,
})  # fmt: skip
# What differs from it: found on validation (docs/results/classifier_recipes.md).
BEST: Mapping[str, Any] = MappingProxyType({
    "input_px": BASE_PX,  # small defects survive
    "trainable_base": "none",  # each image is embedded once, so that 60 epochs of the head take seconds
    "epochs": 60,
    "patience": 20,
    "learning_rate": 1e-3,
    "l2": 0.001,
    "class_balance": 0.5,
    "label_smoothing": 0.1,
})  # fmt: skip
DIFFERENCES: Mapping[RecipeName, Mapping[str, Any]] = MappingProxyType({"paper": {}, "best": BEST})


def cooked(settings: ClassifierRecipe, dataset_px: int) -> dict[str, Any]:
    """Every setting, with the recipe's value where none is given.

    Args:
        dataset_px: longest side of the dataset's pictures. Where neither setting nor recipe says the input, it is that
            of the images that the base's weights come from, or less where no picture has more.
    """
    given = settings.model_dump(exclude_none=True, exclude_unset=True)
    if not settings.input_px:
        given.pop("input_px", None)
    of_dataset = {"input_px": max(SMALLEST_PX, min(BASE_PX, dataset_px))}
    return {**settings.model_dump(), **PAPER, **of_dataset, **DIFFERENCES[settings.recipe], **given}
