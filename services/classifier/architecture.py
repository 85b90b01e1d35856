"""What shapes a network, without the network: whoever checks a request or reads a card needs no framework."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from defectory.errors import InvalidInput

TARGET_LAYER: Literal["out_relu"] = "out_relu"  # MobileNetV2's last convolutional block, which Grad-CAM explains
MAX_LABELS, MAX_LABEL = 1000, 200  # a card must not ask for a network that takes gigabytes; characters of one

Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL)]


class Architecture(BaseModel):
    """Everything that shapes the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[Label, ...] = Field(min_length=2, max_length=MAX_LABELS)  # in the order of the outputs
    input_px: int = Field(ge=32, le=512)
    width_multiplier: float = Field(1.0, ge=0.35, le=1.4)
    head_units: int = Field(256, ge=8, le=4096)
    dropout: float = Field(0.3, ge=0, lt=1)
    l2: float = Field(0.01, ge=0, le=10)


def check_labels(labels: Sequence[str], field: str) -> None:
    """InvalidInput for labels, two or more, of which no network can be built."""
    right = f"use at most {MAX_LABELS} labels of at most {MAX_LABEL} characters"
    if len(labels) > MAX_LABELS:
        raise InvalidInput(f"{field}: it has {len(labels)} labels; {right}", {field: right})
    for label in labels:
        if len(label) > MAX_LABEL:
            raise InvalidInput(
                f"{field}: the label {label[:40]!r}… has {len(label)} characters; {right}", {field: right}
            )
