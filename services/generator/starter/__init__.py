"""The starter generator: shipped with the package, trained from drawn parts, so that transfer needs no download.

`starter.safetensors` holds the averaged generator ("g/…") and the discriminator ("d/…") in fp16;
`starter.json` is its card, README.md says how it was made.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from defectory.errors import Corrupted
from services.generator import tensors as tensor_files
from services.generator.stylegan2.networks import Architecture

NAME = "starter"
WEIGHTS, CARD = "starter.safetensors", "starter.json"


class StarterCard(BaseModel):
    """What is known of the starter generator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    kimg: float = Field(gt=0)
    images: int = Field(ge=1, description="drawn pictures that it learned from")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def read_card() -> StarterCard:
    """The shipped card.

    Raises:
        Corrupted: it is missing or not one.
    """
    try:
        return StarterCard.model_validate_json((files(__name__) / CARD).read_bytes())
    except (OSError, ValidationError) as error:
        raise Corrupted(f"the starter generator's card is not valid; install the package again: {error}") from error


def read_tensors() -> dict[str, Tensor]:
    """The shipped weights in fp32, by "g/name" and "d/name".

    Raises:
        Corrupted: they are missing or changed.
    """
    try:
        data = (files(__name__) / WEIGHTS).read_bytes()
    except OSError as error:
        raise Corrupted("the starter generator's weights are missing; install the package again") from error
    stored = tensor_files.parse(data, read_card().sha256, "the starter generator")
    return {name: value.float() for name, value in stored.items()}


def write(folder: Path, tensors: Mapping[str, Tensor], architecture: Architecture, kimg: float, images: int) -> None:
    """Write weights (in fp16: half the size, and a training starts from them as well) and card."""
    data, _ = tensor_files.dump({name: value.to(torch.float16) for name, value in tensors.items()})
    card = StarterCard(architecture=architecture, kimg=kimg, images=images, sha256=hashlib.sha256(data).hexdigest())
    (folder / WEIGHTS).write_bytes(data)
    (folder / CARD).write_text(json.dumps(card.model_dump(), indent=2) + "\n")
