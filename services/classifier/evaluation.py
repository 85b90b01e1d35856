"""Measures a classifier on one split: every cycle, the mean and its interval, and every image's probabilities."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from defectory.alike import one_of
from defectory.datasets.manifest import DEFAULT_READING, Reading, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.splits import SPLIT_NAMES
from defectory.errors import InvalidInput
from defectory.storage.references import unrooted
from defectory.storage.store import ObjectStore
from services.classifier.acceptance import Answers, calibration_error, rates
from services.classifier.card import ClassifierCard
from services.classifier.cards import read_card
from services.classifier.curves import curves_of
from services.classifier.data import label_indices, lines_of, own_images
from services.classifier.outcome import decided
from services.classifier.prediction import predict
from services.classifier.training.measurement import measure, summarise


def evaluate(
    store: ObjectStore,
    operation_id: str,
    model: str,
    manifest_uri: str,
    split: str,
    report: Callable[[str, int, int], None],
    reading: Reading = DEFAULT_READING,
) -> tuple[str, dict[str, float]]:
    """(URI of evaluation.json, metrics): means over the cycles; "ece", "escape" and "overkill" are the main cycle's.

    Raises:
        InvalidInput: no images in the split, a label the classifier does not know.
        NotFound: model or manifest.
    """
    if split not in SPLIT_NAMES:
        right = one_of(split, SPLIT_NAMES)
        raise InvalidInput(f"split {split!r}: {right}", {"split": right})
    card = read_card(store, model)
    lines = lines_of(read_manifest(store, manifest_uri, reading), split)
    label_indices(lines, card.architecture.labels)
    images = predict(
        store, card, lines, lambda done, of: report("reading images", done, of),
        lambda done, of: report("measuring cycles", done, of),
    )  # fmt: skip
    if not own_images(images.lines):
        right = "give a manifest with readable images of this split that are no augmented copies"
        raise InvalidInput(f"{manifest_uri} has no {split} images: {right}", {"manifest_uri": right})
    truth = label_indices(images.lines, card.architecture.labels)
    probabilities = images.probabilities
    measured = [measure(truth, predicted, card.settings.focal_gamma) for predicted in probabilities]
    summary = summarise(measured)
    main = _at_the_operating_point(card, images.lines, truth, probabilities[card.main_cycle])
    cycles = [
        {"seed": entry.seed, "best_epoch": entry.best_epoch, "metrics": metrics}
        for entry, metrics in zip(card.cycles, measured, strict=True)
    ]
    document = {
        "model": card.full_name,
        "split": split,
        "labels": card.architecture.labels,
        "manifest_uri": manifest_uri,
        "main_cycle": card.main_cycle,
        "cycles": cycles,
        "summary": summary,
        **main,
        "images": image_rows(images.lines, probabilities),
        "skipped": images.skipped,
    }
    key = f"{card.prefix}evaluations/{operation_id}.json"
    store.put(key, unrooted(json.dumps(document).encode(), store))
    means = {name: float(s["mean"]) for name, s in summary.items()}  # type: ignore[arg-type]
    return store.uri(key), {**means, **_rates_of(main)}


def image_rows(lines: Sequence[ManifestLine], probabilities: np.ndarray) -> list[dict[str, Any]]:
    """Every image's part of a document: what it is, and its probabilities, (cycles, N, labels) of all."""
    return [
        {
            "sha256": line.file.sha256,
            "uri": line.file.uri,
            "label": line.label,
            "group": line.group,
            "augmentation": line.origin.augmentation,
            "probabilities": [[round(float(p), 6) for p in by_cycle[i]] for by_cycle in probabilities],
        }
        for i, line in enumerate(lines)
    ]


def _at_the_operating_point(
    card: ClassifierCard, lines: Sequence[ManifestLine], truth: np.ndarray, probabilities: np.ndarray
) -> dict[str, Any]:
    """Calibration error, error rates, confusions, curves of the main cycle, on images that are no grown copies."""
    own = own_images(lines)
    answers = Answers(truth[own], probabilities[own])
    point, temperature = card.operating_point, card.calibration.temperature
    measured = None
    if point is not None:
        measured = rates(answers, card.architecture.labels.index(point.good), temperature, point.threshold)
    error = calibration_error(answers, temperature)
    shown = {**point.model_dump(), "measured": measured.model_dump() if measured else None} if point else None
    return {
        "decisions": decided(card.rule, card.architecture.labels, lines, answers),
        "calibration": error.model_dump(),
        "operating_point": shown,
        "curves": curves_of(card.rule, answers),
    }


def _rates_of(main: Mapping[str, Any]) -> dict[str, float]:
    values = {"ece": float(main["calibration"]["ece_after"])}
    if main["operating_point"] and main["operating_point"]["measured"]:
        for name, rate in main["operating_point"]["measured"].items():
            values[name] = rate["count"] / rate["of"]
    return values
