"""A trained generator in the store: `weights.safetensors` and its card `model.json`; read only when both fit."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from defectory.errors import Corrupted, InvalidInput
from defectory.imaging import FULL_DEPTH
from defectory.models import read_model_card, resolve, version_prefix
from defectory.storage import ObjectStore
from defectory.storage.references import unrooted
from defectory.wording import why_of
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
    label: str = Field(min_length=1)  # of a class-conditional model: its classes, joined by "+"
    classes: tuple[str, ...] = ()  # labels that it makes one by one, in the order of their indices
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
    stretched_from: tuple[int, int] | None = None  # (width, height) in px of its images before they became square
    bits: int = Field(FULL_DEPTH, ge=8, le=FULL_DEPTH)  # that the values of its photographs' 16-bit files use

    @property
    def full_name(self) -> str:
        """ "name/version"."""
        return f"{self.name}/{self.version}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label of which it makes images."""
        return self.classes or (self.label,)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the network's classes, in the order of their indices; an import names none, they are called by number."""
        return self.classes or tuple(map(str, range(self.architecture.classes)))

    def class_index(self, label: str, field: str = "class_label") -> int | None:
        """Index of a class, or None: of a generator of one label, and where no class is wanted.

        Args:
            field: of a request, to be named where it is wrong.

        Raises:
            InvalidInput: it has no such class.
        """
        names = self.class_names
        if not label or (not names and label == self.label):
            return None
        if label not in names:
            right = f"use one of {', '.join(names)}" if names else f"leave it out: all its images are {self.label!r}"
            raise InvalidInput(f"generator {self.full_name} has no class {label!r}: {right}", {field: right})
        return names.index(label)

    def class_indices(self, labels: Sequence[str], count: int, of: str) -> tuple[int, ...]:
        """Indices of the classes of so many things, from one class for all of them or one for each.

        Args:
            of: what these things are, in words.

        Returns:
            as many as things; none where no class is wanted, and of a generator of one label.

        Raises:
            InvalidInput: another number of classes, or one that it does not have; names the field class_labels.
        """
        if len(labels) not in (0, 1, count):
            right = f"one for all, or one for each of the {count} {of}"
            raise InvalidInput(f"class_labels are {len(labels)}: {right}", {"class_labels": right})
        if "" in labels:
            raise InvalidInput("one of class_labels is empty", {"class_labels": "a class, or nothing at all"})
        chosen = [self.class_index(label, "class_labels") for label in labels]
        indices = tuple(index for index in chosen if index is not None)
        return indices * count if len(indices) == 1 else indices

    def restored_size(self) -> tuple[int, int]:
        """(width, height) that its images have without the stretch.

        Raises:
            InvalidInput: it learned from images that ingest did not stretch, or is not known to have.
        """
        if self.stretched_from is None:
            right = "leave restore_size out, or train on a dataset that was ingested with --fit stretch"
            raise InvalidInput(
                f"the original size of what generator {self.full_name} learned is not known: {right}",
                {"restore_size": right},
            )
        return self.stretched_from

    def label_of(self, label: str, seed: int) -> str:
        """What the image of a seed shows, where that class was wanted (empty: none; see `rendering.render`)."""
        return label if label and self.classes else self.labels[seed % len(self.labels)]

    @property
    def prefix(self) -> str:
        """Where the version lies in the store."""
        return version_prefix(KIND, self.name, self.version)

    @model_validator(mode="after")
    def _classes_fit(self) -> "GeneratorCard":
        if len(self.classes) != self.architecture.classes and self.training_images:  # an import names no classes
            raise ValueError(f"{len(self.classes)} classes, and a network of {self.architecture.classes}")
        return self


def write(store: ObjectStore, fields: Mapping[str, Any], weights: Mapping[str, Tensor]) -> GeneratorCard:
    """Write weights, then the card: with the card the version is complete.

    Args:
        fields: the card's, without the weights' hash.
        weights: the state of a `Generator` of the card's architecture.
    """
    data, sha256 = tensor_files.dump(weights)
    card = GeneratorCard.model_validate({**fields, "weights_sha256": sha256})
    store.put(card.prefix + WEIGHTS, data)
    document = json.dumps(card.model_dump(mode="json"), indent=2, sort_keys=True).encode()
    store.put(card.prefix + "model.json", unrooted(document, store))
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
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {why_of(e)}" for e in error.errors())
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
