"""What the cycles of a training share: images in memory, a compiled network, its initial weights."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from defectory.datasets.manifest import ManifestLine
from defectory.storage.store import ObjectStore
from services.classifier.card import Preprocessing
from services.classifier.data import Part, load_images, split_parts
from services.classifier.model import Architecture
from services.classifier.settings import TrainingSettings
from services.classifier.training.trainer import Trainer
from services.classifier.weights import load_imagenet

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Everything that the cycles of a training share."""

    trainer: Trainer
    parts: dict[str, Part]
    skipped: list[tuple[str, str]]  # (URI, reason)
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
        sources: where ImageNet weights may lie (`weights.py`).

    Raises:
        InvalidInput: no readable images of a split. FailedPrecondition: no ImageNet weights.
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
    base_sha256 = ""
    if settings.initial_weights == "imagenet":
        log.info("ImageNet weights", source=load_imagenet(trainer.network, settings.width_multiplier, sources))
        base_sha256 = trainer.keep_base()
    preprocessing = Preprocessing.of(lines)
    images = load_images(store, lines, settings.input_px, preprocessing)
    return Prepared(trainer, split_parts(images, labels), images.skipped, base_sha256, preprocessing)


def class_weights(lines: Sequence[ManifestLine], labels: Sequence[str], balance: float) -> np.ndarray:
    """Weights of the loss by label; their mean over the training images is about 1."""
    counted = Counter(line.label for line in lines if line.split == "train")
    images = np.array([counted[label] for label in labels], dtype=float)
    return np.asarray((images.sum() / len(labels) / images) ** balance)
