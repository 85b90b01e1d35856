"""Four arms from the command line, over real services: every one is in table, curves, panels and verdict."""

import json
import re
from pathlib import Path

import pytest
import yaml

from defectory.datasets.manifest import read_manifest
from defectory.storage import open_store
from orchestrator.cables import write_cables
from tests.e2e.line import LINE, run

ARMS = """
- baseline
- expanded
- {name: raw, trains_on: synthetic, title: unfiltered}
- name: even
  trains_on: balanced
  title: drawn balanced
  classifier: {epochs: 2, augment: 0.2}
  colour: "#1a7f37"
"""
TITLES = ["real only", "real + synthetic", "unfiltered", "drawn balanced"]


@pytest.mark.slow
def test_four_arms(tmp_path: Path) -> None:
    write_cables(tmp_path / "cables", 20, 14, 0, size_px=64)
    classifier = {**LINE["classifier"], "epochs": 1}
    pipeline = {**LINE, "data": {**LINE["data"], "directory": "cables"}, "classifier": classifier}
    file = tmp_path / "line.yaml"
    file.write_text(yaml.safe_dump({**pipeline, "arms": yaml.safe_load(ARMS)}))
    store = open_store(f"file://{tmp_path}/store")
    made = run(file, store.url)

    assert set(made["models"]) == {"baseline", "expanded", "raw", "even", "generators"}
    assert set(made["metrics"]) == {"baseline", "expanded", "raw", "even"}
    even = read_manifest(store, made["arms"]["even"]["manifest_uri"])
    drawn = [line.label for line in even if line.split == "train"]
    assert (
        drawn.count("good")
        == drawn.count("defect")
        > len({line.file.sha256 for line in even if line.label == "defect"}) / 2
    )
    synthetic = [x for x in read_manifest(store, made["arms"]["raw"]["manifest_uri"]) if x.origin.kind == "synthetic"]
    assert {line.judgement.verdict for line in synthetic} == {""}, "as they were made: nobody has judged these lines"
    assert len(synthetic) == 2 * LINE["synthesis"]["quota"]

    page = store.get("runs/line/report.html").decode()
    table = page[page.index('id="comparison"') : page.index('id="curves"')]
    assert re.findall(r"</span>([^<]+)</th>", table) == TITLES
    assert [f"taken for, {title}" in table for title in TITLES] == [True] * 4
    assert len(re.findall(r"synthetic, as made, in unfiltered \(6\)", page)) == 2, "a sheet a label"
    panels = re.findall(r'alt="heatmap, ([^"]+)"', page)
    assert panels == TITLES * LINE["explain"]["limit"]
    assert [f"after temperature scaling, {title}" in page for title in TITLES] == [True] * 4
    for subject in ("the synthetic images", "the unfiltered synthetic images", "“drawn balanced”"):
        assert subject in made["summary"]["verdict"].lower(), subject
    assert "augmentation 0.2" in made["summary"]["arms"]["even"]["recipe"]
    summary = json.loads(store.get("runs/line/explain/summary.json"))
    assert ["moved" in model for model in summary["models"]] == [False, True, True, True]
    again = run(file, store.url)
    assert again["steps"]["ran"] == []
