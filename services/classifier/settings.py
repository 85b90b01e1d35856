"""How a classifier is trained with every default filled in, and the presets that they come from."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from defectory.errors import InvalidInput
from defectory.job_settings.base import filled_in
from defectory.job_settings.classifier_training import (
    MAX_CYCLES,
    SMALLEST_PX,
    ClassifierTraining,
    PresetName,
)
from defectory.validation import validated
from services.classifier.target import parse_target

BASE_PX = 224  # side of the images that the base's ImageNet weights come from
# What differs from the fields' defaults, the paper's recipe: found on validation (docs/results/classifier_presets.md).
BEST: Mapping[str, Any] = {
    "input_px": BASE_PX,  # small defects survive
    "trainable_base": "none",  # each image is embedded once, so that 60 epochs of the head take seconds
    "epochs": 60,
    "patience": 20,
    "learning_rate": 1e-3,
    "l2": 0.001,
    "class_balance": 0.5,
    "label_smoothing": 0.1,
}
MAX_EPOCH_IMAGES = 10_000_000  # shown in an epoch: their order is drawn at once
PUBLISHED_WIDTHS = 0.35, 0.5, 0.75, 1.0, 1.3, 1.4  # of which there are ImageNet weights
STARTER_WIDTH = 1.0  # of the starter classifier
PRESETS: Mapping[PresetName, Mapping[str, Any]] = {"paper": {}, "best": BEST}


class TrainingSettings(ClassifierTraining):
    """Settings of a training; what the paper leaves open is named in docs/classifier.md with its reason.

    Those of ClassifierTraining that a preset fills in stand here again, with the paper's value.
    """

    input_px: int = filled_in(ClassifierTraining, "input_px", 64, "side of the network's input in pixels")
    width_multiplier: float = filled_in(ClassifierTraining, "width_multiplier", 1.0)
    head_units: int = filled_in(ClassifierTraining, "head_units", 256)
    dropout: float = filled_in(ClassifierTraining, "dropout", 0.3)
    l2: float = filled_in(ClassifierTraining, "l2", 0.01)
    trainable_base: Literal["none", "top", "all"] = filled_in(ClassifierTraining, "trainable_base", "all")
    focal_gamma: float = filled_in(ClassifierTraining, "focal_gamma", 2.0)
    label_smoothing: float = filled_in(ClassifierTraining, "label_smoothing", 0.0)
    class_balance: float = filled_in(ClassifierTraining, "class_balance", 0.0)
    epochs: int = filled_in(ClassifierTraining, "epochs", 40)
    learning_rate: float = filled_in(ClassifierTraining, "learning_rate", 1e-5)
    base_rate: float = filled_in(ClassifierTraining, "base_rate", 1.0)
    decay: Literal["none", "cosine"] = filled_in(ClassifierTraining, "decay", "none")
    warmup_epochs: int = filled_in(ClassifierTraining, "warmup_epochs", 0)
    warmup_rate: float = filled_in(ClassifierTraining, "warmup_rate", 1e-3)
    patience: int = filled_in(ClassifierTraining, "patience", 0)
    augment: float = filled_in(ClassifierTraining, "augment", 0.0)
    mirror_x: bool = filled_in(ClassifierTraining, "mirror_x", False)
    mirror_y: bool = filled_in(ClassifierTraining, "mirror_y", False)
    folds: int = Field(0, ge=0, le=MAX_CYCLES, description="cycle i leaves out fold i of the training groups; 0: none")


def training_settings(values: Mapping[str, Any], dataset_px: int, folds: int = 0) -> TrainingSettings:
    """Settings with their preset's values filled in.

    Args:
        values: fields of ClassifierTraining; a missing name takes the preset's value.
        dataset_px: longest side of the dataset's pictures. Where no input is asked for, it is that of the images that
            the base's weights come from, or less where no picture has more.
        folds: of the training images, of which every cycle leaves one out; 0: none is left out.

    Raises:
        InvalidInput: a value out of range, no such preset, or ImageNet weights asked for a width that has none.
    """
    asked = validated(ClassifierTraining, values, "settings")
    given = asked.model_dump(exclude_none=True, exclude_unset=True)
    if not asked.input_px:
        given.pop("input_px", None)
    of_dataset = max(SMALLEST_PX, min(BASE_PX, dataset_px))
    settings = TrainingSettings.model_validate(
        {"input_px": of_dataset, **PRESETS[asked.preset], **given, "folds": folds}
    )
    parse_target(settings.target)
    if settings.warmup_epochs > settings.epochs:
        right = f"use at most epochs, {settings.epochs}"
        raise InvalidInput(f"warmup_epochs {settings.warmup_epochs}: {right}", {"settings.warmup_epochs": right})
    if settings.steps_per_epoch * settings.batch > MAX_EPOCH_IMAGES:
        right = f"use at most {MAX_EPOCH_IMAGES // settings.batch} with a batch of {settings.batch}"
        raise InvalidInput(f"steps_per_epoch {settings.steps_per_epoch}: {right}", {"settings.steps_per_epoch": right})
    if settings.batch == 1 and settings.real_share not in (None, 1):
        right = "use a batch of 2 or more, or real_share 1"
        raise InvalidInput(
            f"real_share {settings.real_share}: a batch of one image has no share of each kind: {right}",
            {"settings.real_share": right},
        )
    if settings.initial_weights == "imagenet" and settings.width_multiplier not in PUBLISHED_WIDTHS:
        right = f"use {', '.join(map(str, PUBLISHED_WIDTHS))}, or initial_weights random"
        raise InvalidInput(
            f"no ImageNet weights were published for width multiplier {settings.width_multiplier}: {right}",
            {"settings.width_multiplier": right},
        )
    if settings.initial_weights == "starter" and settings.width_multiplier != STARTER_WIDTH:
        right = f"use {STARTER_WIDTH:g}, or other initial_weights"
        raise InvalidInput(
            f"the starter has width multiplier {STARTER_WIDTH:g}, not {settings.width_multiplier}: {right}",
            {"settings.width_multiplier": right},
        )
    return settings
