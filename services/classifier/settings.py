"""How a classifier is trained with every default filled in, which come from its recipe."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from defectory.errors import InvalidInput
from defectory.job_settings.base import filled_in
from defectory.job_settings.classifier_recipes import PAPER, cooked
from defectory.job_settings.classifier_training import (
    MAX_CYCLES,
    ClassifierTraining,
)
from defectory.validation import validated
from services.classifier.target import parse_target

MAX_EPOCH_IMAGES = 10_000_000  # shown in an epoch: their order is drawn at once
PUBLISHED_WIDTHS = 0.35, 0.5, 0.75, 1.0, 1.3, 1.4  # of which there are ImageNet weights
STARTER_WIDTH = 1.0  # of the starter classifier


def _papers(name: str) -> Any:
    return filled_in(ClassifierTraining, name, PAPER[name])


class TrainingSettings(ClassifierTraining):
    """Settings of a training; what the paper leaves open is named in docs/classifier.md with its reason.

    Those of ClassifierTraining that a recipe fills in stand here again, with the paper's value.
    """

    input_px: int = filled_in(ClassifierTraining, "input_px", 64, "side of the network's input in pixels")
    width_multiplier: float = _papers("width_multiplier")
    head_units: int = _papers("head_units")
    dropout: float = _papers("dropout")
    l2: float = _papers("l2")
    trainable_base: Literal["none", "top", "all"] = _papers("trainable_base")
    focal_gamma: float = _papers("focal_gamma")
    label_smoothing: float = _papers("label_smoothing")
    class_balance: float = _papers("class_balance")
    epochs: int = _papers("epochs")
    learning_rate: float = _papers("learning_rate")
    base_rate: float = _papers("base_rate")
    decay: Literal["none", "cosine"] = _papers("decay")
    warmup_epochs: int = _papers("warmup_epochs")
    warmup_rate: float = _papers("warmup_rate")
    patience: int = _papers("patience")
    augment: float = _papers("augment")
    mirror_x: bool = _papers("mirror_x")
    mirror_y: bool = _papers("mirror_y")
    folds: int = Field(0, ge=0, le=MAX_CYCLES, description="cycle i leaves out fold i of the training groups; 0: none")


def training_settings(values: Mapping[str, Any], dataset_px: int, folds: int = 0) -> TrainingSettings:
    """Settings with their recipe's values filled in.

    Args:
        values: fields of ClassifierTraining; a missing name takes the recipe's value.
        dataset_px: longest side of the dataset's pictures; see `cooked`.
        folds: of the training images, of which every cycle leaves one out; 0: none is left out.

    Raises:
        InvalidInput: a value out of range, no such recipe, or ImageNet weights asked for a width that has none.
    """
    asked = validated(ClassifierTraining, values, "settings")
    settings = TrainingSettings.model_validate({**cooked(asked, dataset_px), "folds": folds})
    parse_target(settings.target)
    if settings.warmup_epochs > settings.epochs:
        right = f"use at most epochs, {settings.epochs}"
        raise InvalidInput(f"warmup_epochs {settings.warmup_epochs}: {right}", {"settings.warmup_epochs": right})
    if settings.steps_per_epoch * settings.batch > MAX_EPOCH_IMAGES:
        right = f"use at most {MAX_EPOCH_IMAGES // settings.batch} with a batch of {settings.batch}"
        raise InvalidInput(f"steps_per_epoch {settings.steps_per_epoch}: {right}", {"settings.steps_per_epoch": right})
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
