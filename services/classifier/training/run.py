"""A whole training: manifest in, a complete model version out."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as package_version
from typing import Any

import numpy as np
import structlog

from defectory.datasets.manifest import ManifestLine, content_hash, read_manifest
from defectory.errors import InvalidInput
from defectory.models import reserve_version, version_prefix
from defectory.storage.store import ObjectStore
from services.classifier.acceptance import Answers, calibrate, check_target, draw_line
from services.classifier.bundle import load_weights, read_card, write_card
from services.classifier.card import KIND, ClassifierCard, Estimate, Lineage
from services.classifier.data import cap_synthetic, check_no_leak, load_images
from services.classifier.model import Architecture
from services.classifier.operating_point import parse_target
from services.classifier.settings import TrainingSettings, training_settings
from services.classifier.training.cycles import CycleResult, Part, run_cycle, split_parts
from services.classifier.training.metrics import mean_and_interval
from services.classifier.training.trainer import Trainer
from services.classifier.weights import load_imagenet

Report = Callable[[str, int, int, Mapping[str, float]], None]  # stage, epochs done, epochs in all, measurements

log = structlog.get_logger(__name__)


def check(
    lines: list[ManifestLine], values: Mapping[str, Any], cycles: int
) -> tuple[tuple[str, ...], TrainingSettings]:
    """(labels, settings) of a training that can be done.

    Raises:
        InvalidInput: fewer than two labels, a leaking split, a setting out of range.
    """
    labels = tuple(sorted({line.label for line in lines if line.split == "train" and line.verdict != "rejected"}))
    if len(labels) < 2:
        right = "give training images of at least two labels"
        raise InvalidInput(f"training images have the labels {list(labels)}: {right}", {"manifest_uri": right})
    if not 1 <= cycles <= 100:
        raise InvalidInput(f"cycles {cycles}: use 1 to 100", {"cycles": "use 1 to 100"})
    check_no_leak(lines)
    settings = training_settings(values, dataset_px=max(line.width for line in lines))
    validation = [line.label for line in lines if line.split == "validation"]
    check_target(labels, settings.good_label, parse_target(settings.target), validation)
    return labels, settings


@dataclass(frozen=True)
class Prepared:
    """Everything that the cycles of a training share."""

    trainer: Trainer
    parts: dict[str, Part]
    skipped: list[tuple[str, str]]  # (URI, reason)
    base_sha256: str  # of the base as it starts; empty where every cycle draws its own


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
    trainer = Trainer(architecture, settings, _class_weights(lines, labels, settings.class_balance))
    base_sha256 = ""
    if settings.initial_weights == "imagenet":
        log.info("ImageNet weights", source=load_imagenet(trainer.network, sources))
        base_sha256 = trainer.keep_base()
    images = load_images(store, lines, settings.input_px)
    return Prepared(trainer, split_parts(images, labels), images.skipped, base_sha256)


def train(
    store: ObjectStore,
    operation_id: str,
    name: str,
    manifest_uri: str,
    values: Mapping[str, Any],
    *,
    cycles: int,
    seed: int,
    sources: Mapping[str, str],
    report: Report,
) -> ClassifierCard:
    """Train all cycles and write the version's card last.

    Args:
        values: settings that differ from their preset's.
    """
    version = reserve_version(store, KIND, name, operation_id)
    prefix = version_prefix(KIND, name, version)
    if store.exists(prefix + "model.json"):
        return read_card(store, f"{name}/{version}")
    lines = [x for x in read_manifest(store, manifest_uri) if x.split != "none" and x.verdict != "rejected"]
    labels, settings = check(lines, values, cycles)
    lines = cap_synthetic(lines, settings.synthetic_cap)
    total = cycles * settings.epochs
    report("reading images", 0, total, {})
    prepared = prepare(store, lines, labels, settings, sources)

    def on_epoch(cycle: int, done: int, measured: Mapping[str, float]) -> None:
        report(f"training, cycle {cycle + 1} of {cycles}", cycle * settings.epochs + done, total, measured)

    embedded: dict[str, np.ndarray] = {}
    results = [
        run_cycle(store, prefix, prepared.trainer, prepared.parts, embedded, settings, cycle, seed + cycle, on_epoch)
        for cycle in range(cycles)
    ]
    main = _main_cycle(results)
    metrics = {
        "labels": labels,
        "main_cycle": main,
        "cycles": [{"seed": r.card.seed, "best_epoch": r.card.best_epoch, "epochs": r.epochs} for r in results],
        "images": {split: len(part.lines) for split, part in prepared.parts.items()},
        "skipped": prepared.skipped,
    }
    store.put(prefix + "metrics.json", json.dumps(metrics).encode())
    lineage = Lineage(
        manifest_uri=manifest_uri,
        content_hash=content_hash(lines),
        images={split: dict(Counter(x.label for x in part.lines)) for split, part in prepared.parts.items()},
        synthetic=dict(Counter(x.label for x in prepared.parts["train"].lines if x.origin == "synthetic")),
        initial_weights=settings.initial_weights,
        initial_weights_sha256=prepared.base_sha256,
        packages={package: package_version(package) for package in ("tensorflow", "keras", "numpy")},
    )
    main_weights = results[main].card.weights
    load_weights(prepared.trainer.network, store.get(prefix + main_weights.file), main_weights, main_weights.file)
    validation = _answers(prepared.trainer, prepared.parts["validation"])
    test = _answers(prepared.trainer, prepared.parts["test"])
    calibration = calibrate(validation, test)
    target = parse_target(settings.target)
    card = ClassifierCard(
        name=name,
        version=version,
        architecture=prepared.trainer.architecture,
        cycles=tuple(r.card for r in results),
        main_cycle=main,
        calibration=calibration,
        operating_point=draw_line(labels, settings.good_label, target, calibration.temperature, validation, test),
        metrics=_estimates(results),
        settings=settings,
        lineage=lineage,
    )
    write_card(store, card)
    return card


def _main_cycle(results: Sequence[CycleResult]) -> int:
    """The cycle with the best macro-F1 on validation; of equals, the one with the lower loss."""
    best = [result.epochs[result.card.best_epoch - 1]["validation"] for result in results]
    return max(range(len(results)), key=lambda cycle: (best[cycle]["f1"], -best[cycle]["loss"]))


def _answers(trainer: Trainer, part: Part) -> Answers:
    """The network's answers on a split's own images: grown copies show nothing new."""
    own = [i for i, line in enumerate(part.lines) if not line.augmentation]
    return Answers(part.labels[own], trainer.predict(part.pixels[own]))


def _class_weights(lines: Sequence[ManifestLine], labels: Sequence[str], balance: float) -> np.ndarray:
    """Weights of the loss by label; their mean over the training images is about 1."""
    counted = Counter(line.label for line in lines if line.split == "train")
    images = np.array([counted[label] for label in labels], dtype=float)
    return np.asarray((images.sum() / len(labels) / images) ** balance)


def _estimates(results: Sequence[CycleResult]) -> dict[str, dict[str, Estimate]]:
    best = [result.epochs[result.card.best_epoch - 1] for result in results]
    splits = [split for split in ("train", "validation", "test") if split in best[0]]
    return {split: {name: _estimate([e[split][name] for e in best]) for name in best[0][split]} for split in splits}


def _estimate(values: Sequence[float]) -> Estimate:
    mean, interval = mean_and_interval(values)
    low, high = interval or (None, None)
    return Estimate(mean=mean, low=low, high=high)
