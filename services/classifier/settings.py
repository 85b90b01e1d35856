"""How a classifier is trained: one typed definition with ranges."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from defectory.errors import InvalidInput
from services.classifier.operating_point import parse_target


class TrainingSettings(BaseModel):
    """Settings of a training; what the paper leaves open is named in docs/classifier.md with its reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_px: int = Field(64, ge=32, le=512)
    width_multiplier: float = Field(1.0, ge=0.35, le=1.4)
    head_units: int = Field(256, ge=8, le=4096)
    dropout: float = Field(0.3, ge=0, lt=1)
    l2: float = Field(0.01, ge=0)
    trainable_base: Literal["none", "top", "all"] = "all"
    epochs: int = Field(40, ge=1, le=10_000)
    learning_rate: float = Field(1e-5, gt=0)
    batch: int = Field(32, ge=1, le=1024)
    focal_gamma: float = Field(2.0, ge=0)
    steps_per_epoch: int = Field(0, ge=0)
    real_share: float | None = Field(None, gt=0, le=1)
    initial_weights: Literal["imagenet", "random"] = "imagenet"
    good_label: str = "good"
    target: str = ""


def training_settings(values: Mapping[str, Any], dataset_px: int) -> TrainingSettings:
    """Settings with their defaults filled in; the input is the dataset's size unless it is given.

    Raises:
        InvalidInput: a value out of range, or ImageNet weights asked for a width that has none.
    """
    try:
        settings = TrainingSettings.model_validate({"input_px": max(32, min(512, dataset_px)), **values})
    except ValidationError as error:
        fields = {f"settings.{'.'.join(map(str, e['loc']))}": e["msg"] for e in error.errors()}
        raise InvalidInput("; ".join(f"{k}: {v}" for k, v in fields.items()), fields) from error
    parse_target(settings.target)
    if settings.initial_weights == "imagenet" and settings.width_multiplier != 1:
        right = "use 1, or initial_weights random"
        raise InvalidInput(
            f"ImageNet weights exist for width multiplier 1 only: {right}", {"settings.width_multiplier": right}
        )
    return settings
