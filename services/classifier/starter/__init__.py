"""The starter classifier: a base of MobileNetV2 that learned from drawn parts and surfaces, shipped with the package.

It stands in where ImageNet weights are not to be had. `starter.safetensors` holds the base's weights in fp16;
`starter.json` is its card, README.md says how it was made and what it is worth.
"""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import keras
import numpy as np
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError

from defectory.errors import Corrupted

NAME = "starter"
WEIGHTS, CARD = "starter.safetensors", "starter.json"


class StarterCard(BaseModel):
    """What is known of the starter classifier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width_multiplier: float = Field(gt=0)
    input_px: int = Field(ge=32, description="side of the pictures that it learned from")
    learned_from: str = Field(description="what the pictures show")
    images: int = Field(ge=1, description="drawn pictures that it learned from, of the seeds from 0 on")
    seed: int = Field(ge=0, description="of initial weights and order")
    batch: int = Field(ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(
        gt=0, description="at the peak; it rises for a twentieth of the steps, then falls by a cosine"
    )
    accuracy: Mapping[str, float] = Field(
        description="question -> share of right answers to drawn pictures that it did not see"
    )
    seconds: float = Field(gt=0, description="that the training took")
    computed_by: str
    packages: Mapping[str, str]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def read_card() -> StarterCard:
    """The shipped card.

    Raises:
        Corrupted: it is missing or not one.
    """
    try:
        return StarterCard.model_validate_json((files(__name__) / CARD).read_bytes())
    except (OSError, ValidationError) as error:
        raise Corrupted(f"the starter classifier's card is not valid; install the package again: {error}") from error


def read_weights() -> dict[str, np.ndarray]:
    """The shipped weights of the base in fp32, by their path in it.

    Raises:
        Corrupted: they are missing or changed.
    """
    try:
        data = (files(__name__) / WEIGHTS).read_bytes()
    except OSError as error:
        raise Corrupted("the starter classifier's weights are missing; install the package again") from error
    sha256, wanted = hashlib.sha256(data).hexdigest(), read_card().sha256
    if sha256 != wanted:
        raise Corrupted(f"the starter classifier's weights have SHA-256 {sha256[:12]}…, their card says {wanted[:12]}…")
    try:
        stored = safetensors.numpy.load(data)
    except SafetensorError as error:
        raise Corrupted(f"the starter classifier's weights are not a safetensors file: {error}") from error
    return {path: value.astype(np.float32) for path, value in stored.items()}


def load(base: keras.Model) -> None:
    """Fill the base of a network of width multiplier 1, of any input size, with the shipped weights.

    Raises:
        Corrupted: they are missing, changed, or not of this network.
    """
    weights = read_weights()
    wanted = {weight.path: weight for weight in base.weights}
    if {path: value.shape for path, value in weights.items()} != {path: w.shape for path, w in wanted.items()}:
        raise Corrupted("the starter classifier's weights do not fit MobileNetV2; install the package again")
    for path, weight in wanted.items():
        weight.assign(weights[path])


def dump(weights: Mapping[str, np.ndarray]) -> bytes:
    """Weights as they are shipped: fp16, half the size, and a training starts from them as well."""
    return safetensors.numpy.save({path: weights[path].astype(np.float16) for path in sorted(weights)})


def write(folder: Path, data: bytes, card: StarterCard) -> None:
    """Write weights and card."""
    (folder / WEIGHTS).write_bytes(data)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n")
