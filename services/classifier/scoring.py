"""Scores a manifest: calibrated mean and spread of the probabilities over the cycles, the main network's embeddings."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from defectory.datasets.manifest import DEFAULT_READING, Reading, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.storage.references import unrooted
from defectory.storage.store import ObjectStore
from services.classifier.card import ClassifierCard
from services.classifier.cards import read_card
from services.classifier.decision import calibrated
from services.classifier.layers import embedding_channels
from services.classifier.prediction import is_frozen, predict

BLOCK_BYTES = 64 << 20  # of pixels in memory at once, however long the manifest is
BLOCK_FEATURES = 8192  # pictures whose kept features are looked for at once
Report = Callable[[str, int, int], None]


def score(
    store: ObjectStore,
    model: str,
    manifest_uri: str,
    output_prefix: str,
    report: Report,
    reading: Reading = DEFAULT_READING,
) -> tuple[str, str, int]:
    """(URI of scores.jsonl, URI of embeddings.npy, number of images); what cannot be read has no line."""
    card = read_card(store, model)
    lines = read_manifest(store, manifest_uri, reading)
    embeddings = np.empty((len(lines), embedding_channels(card.architecture.width_multiplier)), np.float32)
    rows: list[bytes] = []
    block = BLOCK_FEATURES if is_frozen(card) else max(1, BLOCK_BYTES // (3 * card.architecture.input_px**2))
    for start in range(0, len(lines), block):
        of_block = lines[start : start + block]
        images = predict(store, card, of_block, *_reports(report, start, len(of_block), len(lines)))
        embeddings[len(rows) : len(rows) + len(images.lines)] = images.embeddings
        rows += _rows(card, images.lines, images.probabilities)
    report("reading and scoring", len(lines), len(lines))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "embeddings.npy")
        np.save(file, embeddings[: len(rows)], allow_pickle=False)
        store.put_file(f"{output_prefix}/embeddings.npy", file)
    store.put(f"{output_prefix}/scores.jsonl", unrooted(b"".join(rows), store))
    return store.uri(f"{output_prefix}/scores.jsonl"), store.uri(f"{output_prefix}/embeddings.npy"), len(rows)


def _reports(
    report: Report, start: int, count: int, total: int
) -> tuple[Callable[[int, int], None], Callable[[int, int], None]]:
    """(of images that were looked at, of cycles that have answered) of a block that starts there."""

    def of_images(done: int, of: int) -> None:
        report("reading and scoring", start + done, total)

    def of_cycles(done: int, of: int) -> None:
        report(f"scoring, training {done} of {of}", start + count, total)

    return of_images, of_cycles


def _rows(card: ClassifierCard, lines: Sequence[ManifestLine], by_cycle: np.ndarray) -> list[bytes]:
    """The images' lines, from the networks' own probabilities (cycles, N, labels).

    The mean is calibrated, by the main cycle's temperature: means of calibrated probabilities would be less sure than
    they may be (Rahaman and Thiery 2021, arXiv:2007.08792).
    """
    labels, temperature = card.architecture.labels, card.calibration.temperature
    fair = calibrated(by_cycle.mean(axis=0), temperature)
    spreads = np.stack([calibrated(own, temperature) for own in by_cycle]).std(axis=0)
    rows = []
    for line, mean, spread in zip(lines, fair, spreads, strict=True):
        row = {
            "sha256": line.file.sha256,
            "uri": line.file.uri,
            "probabilities": dict(zip(labels, map(float, mean), strict=True)),
            "spread": dict(zip(labels, map(float, spread), strict=True)),
        }
        rows.append(json.dumps(row).encode() + b"\n")
    return rows
