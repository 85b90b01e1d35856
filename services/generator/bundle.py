"""A trained generator in the store: `weights.safetensors` and its card `model.json`; read only when both fit."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from defectory.errors import Corrupted
from defectory.models import read_model_card, resolve, version_prefix
from defectory.storage import ObjectStore
from services.generator import tensors as tensor_files
from services.generator.stylegan2.networks import Architecture, Generator
from services.generator.training.settings import TrainingSettings

KIND = "generator"
WEIGHTS = "weights.safetensors"


class GeneratorCard(BaseModel):
    """Everything that is known of a generator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(1, ge=1, le=1)
    name: str
    version: str = Field(pattern=r"^[1-9][0-9]*$")
    label: str = Field(min_length=1)
    architecture: Architecture
    kimg: float = Field(ge=0)  # images shown to the discriminator in the whole training, thousands
    shipped_kimg: float | None = Field(None, ge=0)  # after which these weights were the average; none: imported
    shipped_reason: str = ""  # why these and not another snapshot's
    augment_p: float = Field(ge=0, le=1)  # at the end of the training
    augment_preset: str = ""  # at the end: a milder one than the settings', where augmentations leaked
    leaks: tuple[str, ...] = ()  # of augmentations, and what was done about them
    history: tuple[dict[str, Any], ...] = ()  # what was measured of each snapshot
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    manifest_uri: str
    content_hash: str  # of the lines that it learned from
    training_images: int = Field(ge=0)  # 0: imported
    settings: TrainingSettings
    seed: int = Field(ge=0)
    initial_model: str = ""  # "name/version" that training started from
    source: str = ""  # where it came from, if it was not trained here
    sample_key: str = ""  # sheet of samples of these weights
    video_key: str = ""  # the sheets over time, an animated WebP
    torch_version: str = ""

    @property
    def full_name(self) -> str:
        """ "name/version"."""
        return f"{self.name}/{self.version}"

    @property
    def prefix(self) -> str:
        """Where the version lies in the store."""
        return version_prefix(KIND, self.name, self.version)


def write(store: ObjectStore, fields: Mapping[str, Any], weights: Mapping[str, Tensor]) -> GeneratorCard:
    """Write weights, then the card: with the card the version is complete.

    Args:
        fields: the card's, without the weights' hash.
        weights: the state of a `Generator` of the card's architecture.
    """
    data, sha256 = tensor_files.dump(weights)
    card = GeneratorCard.model_validate({**fields, "weights_sha256": sha256})
    store.put(card.prefix + WEIGHTS, data)
    store.put(card.prefix + "model.json", json.dumps(card.model_dump(mode="json"), indent=2, sort_keys=True).encode())
    return card


def read_card(store: ObjectStore, model: str) -> GeneratorCard:
    """The card of "name" (its newest version) or "name/version".

    Raises:
        NotFound: no such model. Corrupted: a card that is not one; names the field.
    """
    name, version = resolve(store, KIND, model)
    try:
        card = GeneratorCard.model_validate(read_model_card(store, KIND, name, version))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Corrupted(f"the card of generator {name}/{version} is not valid: {wrong}") from error
    if (card.name, card.version) != (name, version):
        raise Corrupted(f"the card of generator {name}/{version} says that it is {card.full_name}")
    return card


def load(store: ObjectStore, model: str) -> tuple[Generator, GeneratorCard]:
    """The network, ready for synthesis, and its card.

    Raises:
        NotFound: no such model. Corrupted: hash, names, shapes or values are not what they should be.
    """
    card = read_card(store, model)
    name = f"the weights of generator {card.full_name}"
    weights = tensor_files.parse(store.get(card.prefix + WEIGHTS), card.weights_sha256, name)
    generator = Generator(card.architecture)
    tensor_files.check(weights, generator.state_dict(), name)
    generator.load_state_dict(weights)
    return generator.eval().requires_grad_(False), card
