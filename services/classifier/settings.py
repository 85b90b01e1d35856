"""How a classifier is trained: one typed definition with ranges, and the presets its defaults come from."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from defectory.errors import InvalidInput
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
PRESETS: Mapping[str, Mapping[str, Any]] = {"paper": {}, "best": BEST}


class TrainingSettings(BaseModel):
    """Settings of a training; what the paper leaves open is named in docs/classifier.md with its reason."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: Literal["paper", "best"] = "paper"
    # The network.
    input_px: int = Field(64, ge=32, le=512)
    width_multiplier: float = Field(1.0, ge=0.35, le=1.4)
    head_units: int = Field(256, ge=8, le=4096)
    dropout: float = Field(0.3, ge=0, lt=1)
    l2: float = Field(0.01, ge=0, le=10)
    initial_weights: Literal["imagenet", "starter", "random"] = "imagenet"
    trainable_base: Literal["none", "top", "all"] = "all"
    # The loss.
    focal_gamma: float = Field(2.0, ge=0, le=10)  # beyond, nothing but the worst image has a gradient
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    class_balance: float = Field(0.0, ge=0, le=1)  # loss weight of a label: (images / labels / its images) ** this
    # The steps.
    epochs: int = Field(40, ge=1, le=10_000)
    batch: int = Field(32, ge=1, le=1024)
    steps_per_epoch: int = Field(0, ge=0, le=1_000_000)  # 0: as many as show every training image once
    learning_rate: float = Field(1e-5, ge=1e-9, le=1)
    base_rate: float = Field(1.0, ge=1e-6, le=1)  # the base's learning rate as a share of the head's
    decay: Literal["none", "cosine"] = "none"  # of the rate after the warm-up, to 0 at the last step
    warmup_epochs: int = Field(0, ge=0, le=10_000)  # of `epochs`, with the base frozen and images as they are
    warmup_rate: float = Field(1e-3, ge=1e-9, le=1)
    patience: int = Field(
        0, ge=0, le=10_000
    )  # epochs without a better one on validation that end a cycle; 0: it runs through
    # The images.
    real_share: float | None = Field(None, ge=1e-3, le=1)
    folds: int = Field(0, ge=0, le=100)  # above 1: cycle i leaves out fold i of the training groups; 0: none does
    synthetic_cap: int = Field(0, ge=0, le=1_000_000)  # synthetic training images a label; 0: all
    augment: float = Field(0.0, ge=0, le=1)  # strength of shifts, turns, scales and changes of light
    mirror_x: bool = False
    mirror_y: bool = False
    # What is asked of the result.
    good_label: str = "good"
    target: str = ""


def training_settings(values: Mapping[str, Any], dataset_px: int) -> TrainingSettings:
    """Settings with their preset's values filled in.

    Args:
        dataset_px: longest side of the pictures. Where no input is asked for, it is that of the images that the base's
            weights come from, or less where no picture has more.

    Raises:
        InvalidInput: a value out of range, no such preset, or ImageNet weights asked for a width that has none.
    """
    chosen = PRESETS.get(str(values.get("preset", "paper")), {})
    try:
        settings = TrainingSettings.model_validate({"input_px": max(32, min(BASE_PX, dataset_px)), **chosen, **values})
    except ValidationError as error:
        fields = {f"settings.{'.'.join(map(str, e['loc']))}": e["msg"] for e in error.errors()}
        raise InvalidInput("; ".join(f"{k}: {v}" for k, v in fields.items()), fields) from error
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
