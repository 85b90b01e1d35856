"""A page stays small enough to be sent, whatever the run, and says what it left out."""

import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.manifest import write_dataset
from defectory.datasets.manifest_line import ManifestLine, PictureFile
from defectory.imaging import encode_png
from defectory.storage.memory import MemoryStore
from orchestrator.report import build_report, page
from orchestrator.report.detail import DETAILS, MAX_BYTES
from tests.unit.report.finished_run import finished_run, put

LABELS = 16


def run_of_many(side_px: int = 192) -> MemoryStore:
    """A run of 16 labels with 24 photographs each that nothing can make small: noise."""
    store = finished_run()
    random = np.random.default_rng(0)
    lines = []
    for number in range(24 * LABELS):
        data = encode_png(random.integers(0, 256, (side_px, side_px, 3)).astype(np.uint8))
        store.put(f"many/{number}.png", data)
        file = PictureFile(
            uri=store.uri(f"many/{number}.png"), sha256=hashlib.sha256(data).hexdigest(), width=side_px, height=side_px
        )
        lines.append(ManifestLine(file=file, label=f"label {number % LABELS}", split="train"))
    record = json.loads(store.get("runs/run/steps/ingest.json"))
    record["outputs"]["manifest_uri"] = write_dataset(store, "many", lines, {})
    put(store, "runs/run/steps/ingest.json", record)
    return store


def shown(html: str) -> list[int]:
    """Images of every sheet."""
    return [len(re.findall('<details class="tile">', part)) for part in html.split('<div class="tiles">')[1:]]


def test_a_page_with_many_images_shows_them_smaller_and_says_so() -> None:
    report = build_report(run_of_many(), "run")
    html, files = report.html.decode(), report.files()
    assert len(report.html) <= MAX_BYTES < sum(map(len, files.values())), "the files beside it hold them all"
    assert shown(html)[:LABELS] == [24] * LABELS
    assert "So that this file stays below 15 MB it holds at most 24 images a sheet, 96 px wide" in html
    sizes = {Image.open(io.BytesIO(data)).size for name, data in files.items() if name.startswith("images-1-")}
    assert sizes == {(12 * 192 + 11 * 4, 2 * 192 + 4)}


def test_a_page_that_has_room_shows_all_and_says_nothing() -> None:
    html = build_report(finished_run(), "run").html.decode()
    assert "So that this file stays below" not in html


def test_step_by_step_fewer_are_shown_until_none_is(monkeypatch: pytest.MonkeyPatch) -> None:
    store = run_of_many(32)
    monkeypatch.setattr(page, "MAX_BYTES", 0)  # the last one is shown, whether it fits or not
    sizes = []
    for detail in DETAILS[2:]:
        monkeypatch.setattr(page, "DETAILS", (detail,))
        html = build_report(store, "run").html
        sizes.append(len(html))
        assert {*shown(html.decode())[:LABELS]} == {detail.images}
        assert detail.in_words in html.decode()
    assert sizes == sorted(sizes, reverse=True)
    monkeypatch.setattr(page, "DETAILS", DETAILS)
    for size, detail in list(zip(sizes, DETAILS[2:], strict=True))[1:]:
        monkeypatch.setattr(page, "MAX_BYTES", size)
        assert detail.in_words in build_report(store, "run").html.decode()
