"""Measures a classifier on one split: every cycle, the mean and its interval, and every image's probabilities."""

import json
from collections.abc import Callable

from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.storage.store import ObjectStore
from services.classifier.bundle import load_cycle, read_card
from services.classifier.data import label_indices, load_images
from services.classifier.model import build
from services.classifier.prediction import Predictor
from services.classifier.training.metrics import measure, summarise

SPLITS = ("train", "validation", "test")


def evaluate(
    store: ObjectStore,
    operation_id: str,
    model: str,
    manifest_uri: str,
    split: str,
    report: Callable[[str, int, int], None],
) -> tuple[str, dict[str, float]]:
    """(URI of evaluation.json, mean of each metric over the cycles).

    Raises:
        InvalidInput: no images in the split, a label the classifier does not know.
        NotFound: model or manifest.
    """
    if split not in SPLITS:
        raise InvalidInput(f"split {split!r}: use {', '.join(SPLITS)}", {"split": f"use {', '.join(SPLITS)}"})
    card = read_card(store, model)
    lines = [line for line in read_manifest(store, manifest_uri) if line.split == split]
    label_indices(lines, card.architecture.labels)
    images = load_images(store, lines, card.architecture.input_px, lambda done, of: report("reading images", done, of))
    if not images.lines:
        right = "give a manifest with readable images of this split"
        raise InvalidInput(f"{manifest_uri} has no {split} images: {right}", {"manifest_uri": right})
    truth = label_indices(images.lines, card.architecture.labels)
    network = build(card.architecture)
    predictor = Predictor(card, network)
    gamma = card.settings.focal_gamma
    measured: list[dict[str, float]] = []
    probabilities = []
    for cycle in range(len(card.cycles)):
        load_cycle(store, card, network, cycle)
        predicted, _ = predictor.predict(images.pixels)
        probabilities.append(predicted)
        measured.append(measure(truth, predicted, gamma))
        report("measuring cycles", cycle + 1, len(card.cycles))
    summary = summarise(measured)
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
        "images": [
            {
                "sha256": line.sha256,
                "uri": line.uri,
                "label": line.label,
                "group": line.group,
                "augmentation": line.augmentation,
                "probabilities": [[round(float(p), 6) for p in by_cycle[i]] for by_cycle in probabilities],
            }
            for i, line in enumerate(images.lines)
        ],
        "skipped": images.skipped,
    }
    key = f"{card.prefix}evaluations/{operation_id}.json"
    store.put(key, json.dumps(document).encode())
    return store.uri(key), {name: float(s["mean"]) for name, s in summary.items()}  # type: ignore[arg-type]
