"""A small experiment over real services: killed in the middle, it goes on, and skips what is done."""

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from defectory.datasets.manifest import read_manifest
from defectory.storage import open_store
from defectory.storage.references import read_json
from orchestrator.cables import write_cables
from tests.e2e.line import LINE, ROOT, command

SPEC = {
    "name": "small", "data": {"directory": "cables"}, "folds": 3, "seeds": 2,
    "arms": ["real", "more-real", "memory"], "memory": {"patches": 20}, "reference": "real",
    "few_shot": {"per_kind": 1, "good": 6}, "allow_random_weights": True,
    "classifier": {"input_px": 32, "width_multiplier": 0.35, "head_units": 16, "epochs": 2, "batch": 16,
                   "initial_weights": "random"},
}  # fmt: skip
# The photographs; of a fold: itself, all of its photographs, three of each arm that is trained, a memory; the proof.
STEPS = 1 + 3 * (1 + 1 + 2 * 3 + 1) + 1


@pytest.mark.slow
def test_an_experiment_that_was_killed_goes_on(tmp_path: Path) -> None:
    write_cables(tmp_path / "cables", 18, 18, 0, size_px=48)
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(SPEC))
    store = open_store(f"file://{tmp_path}/store")
    typed = command("experiment", str(file), "--out", str(tmp_path / "out"), store=store.url)

    killed = subprocess.Popen(typed, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not store.exists("experiments/small/steps/fold1-real.json"):
        assert killed.poll() is None
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    done = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert {"ingest", "fold1-ingest", "fold1-real"} <= set(said["skipped"])
    assert len(said["skipped"]) + len(said["ran"]) == STEPS
    assert said["outcomes"].keys() == {"more-real", "memory"}
    assert said["primary"] == "PR-AUC", "18 defective parts are too few for shares at a threshold"
    page = (tmp_path / "out/report.html").read_text()
    assert all(sentence in page for sentence in said["verdict"])
    assert json.loads((tmp_path / "out/proof.json").read_text())["verdict"] == said["verdict"]


MADE = {
    **SPEC, "name": "with-made", "seeds": 1, "few_shot": None, "reference": "augmented",
    "arms": ["real", "augmented", "procedural", "filtered", "filtered-75", "reviewed", "pretrained"],
    "synthesis": {"quota": 4, "surplus": 2.0, "max_rounds": 2}, "generator": LINE["generator"],
    "filter": {"policy": "none", "novelty_gate": False, "judge_cycles": 2},
}  # fmt: skip


@pytest.mark.slow
def test_arms_with_made_images_run_for_real(tmp_path: Path) -> None:
    write_cables(tmp_path / "cables", 18, 18, 0, size_px=48)
    file = tmp_path / "with-made.yaml"
    file.write_text(yaml.safe_dump(MADE))
    store = open_store(f"file://{tmp_path}/store")
    done = subprocess.run(
        command("experiment", str(file), "--out", str(tmp_path / "out"), store=store.url), cwd=ROOT,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert said["outcomes"].keys() == set(MADE["arms"]) - {"augmented"}
    for arm in ("procedural", "filtered", "reviewed", "pretrained"):
        dataset = read_json(store, store.uri(f"experiments/with-made/steps/fold1-{arm}-dataset.json"))["outputs"]
        images = [line for line in read_manifest(store, dataset["manifest_uri"]) if not line.is_photograph]
        assert images
        assert {(line.split, line.is_real) for line in images} == {("train", arm == "procedural")}
    shares = csv.DictReader((tmp_path / "out/shares-1.csv").read_text().splitlines())
    assert [(row["share of photographs"], row["arm"]) for row in shares] == [
        ("0.5", "filtered"),
        ("0.75", "filtered-75"),
    ]


@pytest.mark.slow
def test_a_filter_that_accepts_nothing_stops_no_arm(tmp_path: Path) -> None:
    write_cables(tmp_path / "cables", 18, 18, 0, size_px=48)
    spec = {
        **MADE, "name": "severe", "arms": ["real", "augmented", "filtered", "defects"],
        "filter": {**MADE["filter"], "policy": "confident", "threshold": 1.0},
    }  # fmt: skip
    file = tmp_path / "severe.yaml"
    file.write_text(yaml.safe_dump(spec))
    store = open_store(f"file://{tmp_path}/store")
    done = subprocess.run(command("experiment", str(file), store=store.url), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert said["outcomes"].keys() == {"real", "filtered", "defects"}
    for arm in ("filtered", "defects"):
        for fold in (1, 2, 3):
            dataset = read_json(store, store.uri(f"experiments/severe/steps/fold{fold}-{arm}-dataset.json"))["outputs"]
            assert not dataset["synthetic"]
            train = [x.label for x in read_manifest(store, dataset["manifest_uri"]) if x.split == "train"]
            assert train.count("good") == len(train) / len(set(train)), "labels are drawn equally"
        assert said["outcomes"][arm] == "cannot tell"
        assert any(x.startswith(f"{arm}: no synthetic image was accepted in any fold") for x in said["verdict"])
