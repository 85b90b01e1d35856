"""Scores are the same however many images are in memory at once."""

import io
import json

import numpy as np
import pytest

from defectory.datasets.manifest import read_manifest
from defectory.storage import ObjectStore, open_store
from services.classifier import prediction, scoring
from services.classifier.bundle import weights_bytes
from services.classifier.cards import write_card
from tests.contract.datasets import make_dataset, with_bad_files
from tests.unit.classifier.classifier_samples import ARCHITECTURE, bundle, lively


def scored(
    store: ObjectStore, manifest: str, report: scoring.Report = lambda *_: None
) -> tuple[list[dict], np.ndarray]:
    scores, embeddings, count = scoring.score(store, "judge", manifest, "s", report)
    rows = [json.loads(line) for line in store.get(store.key(scores)).splitlines()]
    array = np.load(io.BytesIO(store.get(store.key(embeddings))))
    assert len(rows) == len(array) == count
    return rows, array


def test_blocks_change_nothing_but_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("memory://")
    manifest = with_bad_files(store, make_dataset(store))
    bundle(store, weights_bytes(lively(ARCHITECTURE)), manifest)
    whole, embeddings = scored(store, manifest)
    assert len(whole) == 24
    sizes, load_images = [], prediction.load_images
    monkeypatch.setattr(scoring, "BLOCK_BYTES", 7 * 3 * 32**2)
    monkeypatch.setattr(
        prediction,
        "load_images",
        lambda store, lines, *rest: (sizes.append(len(lines)), load_images(store, lines, *rest))[1],
    )
    said: list[tuple[str, int]] = []
    parts, again = scored(store, manifest, lambda stage, done, total: said.append((stage, done)))
    assert max(sizes) == 7
    assert [done for stage, done in said if stage == "reading and scoring"][:8] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [done for stage, done in said if stage == "scoring, training 1 of 1"][:2] == [7, 14]
    assert [row["sha256"] for row in parts] == [row["sha256"] for row in whole]
    np.testing.assert_allclose(
        [list(row["probabilities"].values()) for row in parts],
        [list(row["probabilities"].values()) for row in whole],
        atol=1e-5,
    )
    np.testing.assert_allclose(again, embeddings, atol=1e-4)


def test_probabilities_are_calibrated() -> None:
    store = open_store("memory://")
    manifest = make_dataset(store)
    _, card = bundle(store, weights_bytes(lively(ARCHITECTURE)), manifest)
    sharper = card.model_copy(update={"calibration": card.calibration.model_copy(update={"temperature": 0.25})})
    own = prediction.predict(store, card, read_manifest(store, manifest)).probabilities[0]
    write_card(store, sharper)
    rows, _ = scored(store, manifest)
    fair = own.astype(np.float64) ** 4
    np.testing.assert_allclose(
        [list(row["probabilities"].values()) for row in rows], fair / fair.sum(axis=1, keepdims=True), atol=1e-5
    )
