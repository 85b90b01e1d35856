"""What the cycles of a training share: images in memory, a compiled network, its initial weights."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import AlreadyExists, FailedPrecondition
from defectory.storage.store import ObjectStore
from services.classifier.architecture import Architecture
from services.classifier.card import Preprocessing
from services.classifier.data import Part, load_images, split_parts
from services.classifier.settings import TrainingSettings
from services.classifier.training.trainer import Trainer
from services.classifier.weights import load_base


@dataclass(frozen=True)
class Prepared:
    """Everything that the cycles of a training share."""

    trainer: Trainer
    parts: dict[str, Part]
    skipped: list[tuple[str, str]]  # (URI, reason)
    initial_weights: Literal["imagenet", "starter", "random"]  # where the base starts, whatever was wanted
    base_sha256: str  # of the base as it starts; empty where every cycle draws its own
    preprocessing: Preprocessing


def prepare(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    labels: tuple[str, ...],
    settings: TrainingSettings,
    sources: Mapping[str, str],
) -> Prepared:
    """Read the images, build the network, find its initial weights.

    Args:
        sources: where ImageNet weights may lie, or that the starter is meant (`weights.py`).

    Raises:
        InvalidInput: no readable images of a split. WeightsMissing: no ImageNet weights.
    """
    architecture = Architecture(
        labels=labels,
        input_px=settings.input_px,
        width_multiplier=settings.width_multiplier,
        head_units=settings.head_units,
        dropout=settings.dropout,
        l2=settings.l2,
    )
    trainer = Trainer(architecture, settings, class_weights(lines, labels, settings.class_balance))
    initial_weights: Literal["imagenet", "starter", "random"] = "random"
    base_sha256 = ""
    if settings.initial_weights != "random":
        initial_weights = load_base(trainer.network, settings.width_multiplier, settings.initial_weights, sources)
        base_sha256 = trainer.keep_base()
    preprocessing = Preprocessing.of(lines, settings.input_px, settings.square_px)
    images = load_images(store, lines, settings.input_px, preprocessing)
    return Prepared(trainer, split_parts(images, labels), images.skipped, initial_weights, base_sha256, preprocessing)


def hold_to_base(store: ObjectStore, prefix: str, prepared: Prepared) -> None:
    """See that all cycles of a version start from the same base, whenever and in whichever process they are trained.

    Args:
        prefix: the version's key prefix; the first to come notes its base below it.

    Raises:
        FailedPrecondition: other cycles started from another base; weights have come or gone in between.
    """
    key, ours = f"{prefix}base.txt", f"{prepared.initial_weights} {prepared.base_sha256}"
    try:
        store.put(key, ours.encode(), if_absent=True)
    except AlreadyExists:
        began = store.get(key).decode()
        if began != ours:
            raise FailedPrecondition(
                f"this training began from the base {began!r}, and now {ours!r} is what is found: give it the same "
                "weights as before (--weights), or train under another name"
            ) from None


def class_weights(lines: Sequence[ManifestLine], labels: Sequence[str], balance: float) -> np.ndarray:
    """Weights of the loss by label; their mean over the training images is about 1."""
    counted = Counter(line.label for line in lines if line.split == "train")
    images = np.array([counted[label] for label in labels], dtype=float)
    return np.asarray((images.sum() / len(labels) / images) ** balance)
