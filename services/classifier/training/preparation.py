"""What the cycles of a training share: images in memory, a compiled network, its initial weights."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import AlreadyExists, FailedPrecondition
from defectory.storage.store import ObjectStore
from services.classifier.architecture import Architecture
from services.classifier.card import Preprocessing
from services.classifier.data import Part, load_images, split_parts
from services.classifier.features import AS_IT_IS, Base, features_of
from services.classifier.settings import TrainingSettings
from services.classifier.training.moves import View
from services.classifier.training.schedule import Schedule
from services.classifier.training.threads import train_on_one_thread
from services.classifier.training.trainer import Trainer
from services.classifier.weights import load_base


@dataclass(frozen=True)
class Prepared:
    """Everything that the cycles of a training share."""

    trainer: Trainer
    parts: dict[str, Part]  # with their pixels, or with their features where all epochs work on these
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
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Build the network, find its initial weights, read the images, or what the base makes of them.

    Args:
        report: pictures whose features are there, of how many.
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
    schedule = Schedule(settings, len(lines))
    if schedule.embeds(settings.epochs - 1):
        train_on_one_thread()
    trainer = Trainer(architecture, settings, class_weights(lines, labels, settings.class_balance))
    preprocessing = Preprocessing.of(lines, settings.input_px, settings.square_px)
    if settings.initial_weights == "random":
        parts, skipped = _pixels(store, lines, labels, settings, preprocessing)
        return Prepared(trainer, parts, skipped, "random", "", preprocessing)
    initial_weights = load_base(trainer.network, settings.width_multiplier, settings.initial_weights, sources)
    base = trainer.keep_base()
    if schedule.embeds(settings.epochs - 1):
        parts, skipped = _features(store, lines, labels, base, preprocessing, schedule.drawn_from, report)
    else:
        parts, skipped = _pixels(store, lines, labels, settings, preprocessing)
    return Prepared(trainer, parts, skipped, initial_weights, base.sha256, preprocessing)


Parts = tuple[dict[str, Part], list[tuple[str, str]]]  # split -> part; (URI, reason) of what could not be read


def _pixels(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    labels: tuple[str, ...],
    settings: TrainingSettings,
    preprocessing: Preprocessing,
) -> Parts:
    images = load_images(store, lines, settings.input_px, preprocessing)
    return split_parts(images.lines, {"pixels": images.pixels}, labels), images.skipped


def _features(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    labels: tuple[str, ...],
    base: Base,
    preprocessing: Preprocessing,
    views: Sequence[View],
    report: Callable[[int, int], None],
) -> Parts:
    """Features in place of images: a base that stands still makes the same of them in every cycle and training."""
    trained = [line for line in lines if line.split == "train"]
    others = [line for line in lines if line.split != "train"]
    train = features_of(store, trained, base, preprocessing, (AS_IT_IS, *views), report)
    rest = features_of(store, others, base, preprocessing, (AS_IT_IS,), report)
    pooled = np.concatenate([train.values[:, 0], rest.values[:, 0]])
    parts = split_parts([*train.lines, *rest.lines], {"pooled": pooled}, labels)
    if views:
        for split, part in parts.items():
            part.inputs["views"] = train.values[:, 1:] if split == "train" else part.inputs["pooled"]
    return parts, train.skipped + rest.skipped


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
