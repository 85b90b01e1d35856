"""The page of a whole run from what a run leaves in the store: every section, and what it must not hide."""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from defectory.datasets.layouts.source import LeftOut, Source, SourceFile
from defectory.datasets.layouts.summary import summarise
from defectory.datasets.manifest import ManifestLine, write_dataset
from defectory.imaging import encode_png
from defectory.storage.memory import MemoryStore
from orchestrator.report import build_report
from orchestrator.report.content import read_run

LABELS = ("defect", "good")


def put(store: MemoryStore, key: str, content: object) -> str:
    store.put(key, json.dumps(content).encode())
    return store.uri(key)


def images(store: MemoryStore, count: int, seed: int, **fields) -> list[ManifestLine]:
    found = []
    for i in range(count):
        data = encode_png(np.random.default_rng(seed + i).integers(0, 256, (16, 16, 3)).astype(np.uint8))
        key = f"images/{seed + i}.png"
        store.put(key, data)
        digest = hashlib.sha256(data).hexdigest()
        line = {"uri": store.uri(key), "sha256": digest, "width": 16, "height": 16, "label": LABELS[i % 2]}
        found.append(ManifestLine(**{**line, **fields}))
    return found


def metrics() -> dict:
    measured = {"loss": 0.2, "accuracy": 0.8, "precision": 0.8, "recall": 0.8, "f1": 0.8}
    epochs = [{"epoch": e, "train": measured, "validation": measured, "test": measured} for e in (1, 2)]
    return {"labels": LABELS, "cycles": [{"seed": s, "best_epoch": 1, "epochs": epochs} for s in (0, 1)]}


def evaluation(test: list[ManifestLine]) -> dict:
    measured = {"loss": 0.2, "accuracy": 0.8, "precision": 0.8, "recall": 0.8, "f1": 0.8}
    rows = [
        {"sha256": x.sha256, "label": x.label, "group": x.sha256, "probabilities": [[0.6, 0.4], [0.3, 0.7]]}
        for x in test
    ]
    decisions = {
        "confusion": [[1, 1], [0, 2]],
        "labels": {
            "defect": {"images": 2, "precision": 1.0, "recall": 0.5, "f1": 0.6667},
            "good": {"images": 2, "precision": 0.6667, "recall": 1.0, "f1": 0.8},
        },
        "escapes": {"crack": {"count": 1, "of": 2, "low": 0.0126, "high": 0.9874}},
    }
    return {"labels": LABELS, "cycles": [{"metrics": measured}] * 2, "images": rows, "decisions": decisions}


@pytest.fixture
def run() -> MemoryStore:
    store = MemoryStore()
    train, test = images(store, 4, 100, split="train"), images(store, 4, 200, split="test")
    real = write_dataset(store, "run", [*train, *test], {})
    rejected = images(store, 2, 300, origin="synthetic", label="good", verdict="rejected", reasons=("outlier",))
    accepted = images(store, 2, 310, origin="synthetic", label="good", verdict="accepted", scores={"good": 0.95})
    later = images(store, 1, 320, origin="synthetic", label="good", verdict="rejected", scores={"good": 0.2})
    curve = {"thresholds": [0, 0.5, 1], "kept": {"good": [1, 0.5, 0]}, "real": {"good": [1, 0.9, 0.1]}}
    rounds = {
        "manifest_uri": write_dataset(store, "judged", [*rejected, *accepted], {}),
        "curve_uri": put(store, "c", curve),
    }
    second = {
        "manifest_uri": write_dataset(store, "judged2", later, {}),
        "curve_uri": put(store, "c2", {**curve, "kept": {"good": [1, 0, 0]}}),
    }
    row = {
        "uri": test[0].uri, "sha256": test[0].sha256, "label": "defect", "kind": "crack", "method": "grad-cam++",
        "predicted": "defect", "probability": 0.91, "overlay_uri": test[1].uri, "on_background": True,
    }  # fmt: skip
    store.put(
        "e", b"".join(json.dumps({**row, "model": f"run.{arm}/1"}).encode() + b"\n" for arm in ("baseline", "expanded"))
    )
    model = {
        "masked": 30, "cells": [7, 7], "pointing": 0.4, "pointing_by_chance": 0.1, "inside": 0.3,
        "inside_by_chance": 0.05, "beside": 3, "max_box_acc_v2": {"mean": 0.25},
        "sanity": {"stages": {"everything": 0.1}, "passed": True},
    }  # fmt: skip
    heat = {
        "models": [{**model, "model": "run.baseline/1"}, {**model, "model": "run.expanded/1", "inside": 0.5}],
        "moved": {"images": 30, "parts": 20, "inside": 0.2, "low": 0.1, "high": 0.3},
    }  # fmt: skip
    arm = {"initial_weights": "imagenet", "version": "1"}
    arms = {}
    for name, drawing in (("baseline", b"<svg>real</svg>"), ("expanded", b"<svg>both</svg>")):
        store.put(f"models/{name}/reliability.svg", drawing)
        arms[name] = {**arm, "name": f"run.{name}", "metrics_uri": put(store, f"models/{name}/metrics.json", metrics())}
    evaluated = {"evaluation_uri": put(store, "v", evaluation(test))}
    steps = {
        "ingest": {
            "manifest_uri": real, "labels": LABELS, "counts": {"train": {"good": 2}}, "skipped": [],
            "source": summarise(Source(Path("photos"), "mvtec", (SourceFile("x.png", "good"),), "good",
                                       (LeftOut("y.png", "it has no label"),), reason="it holds train/good")),
        },
        **arms,
        "baseline-evaluate": evaluated, "expanded-evaluate": evaluated,
        "filter": {"good": {"rounds": [rounds, second]}},
        "explain": {"explanations_uri": store.uri("e"), "summary_uri": put(store, "s", heat)},
    }  # fmt: skip
    put(store, "runs/run/pipeline.json", {"filter": {"threshold": 0.8}})
    for step, outputs in steps.items():
        put(store, f"runs/run/steps/{step}.json", {"outputs": outputs})
    return store


def test_the_page_tells_the_whole_run(run: MemoryStore) -> None:
    html, summary = build_report(run, "run")
    page = html.decode()
    for said in (
        summary["verdict"],
        "Training on synthetic images moves the heat onto the defects (+20.0 points",
        "The heatmaps come from what was learned",
        "heat on the background",
        "grad-cam++ of the last convolutional block",
        "30 test images with a mask",
        "rejected: unlike every real image",
        "Dashed: real images that the judge was not trained on",
        "layout  mvtec: it holds train/good",
        "labels  good 1 (no defect)",
        "left out: 1 file, it has no label (y.png)",
    ):
        assert said in page, said
    table = page[page.index("share of the heat on the defect") :]
    assert [table.index(x) for x in ("30.0%", "50.0%", "5.0%")] == sorted(
        table.index(x) for x in ("30.0%", "50.0%", "5.0%")
    )
    assert summary["synthetic"]["good"] == {"made": 5, "accepted": 2, "outlier": 2}
    assert 'src="http' not in page


def test_the_page_says_where_the_bases_started_and_warns_only_of_what_was_not_wanted(run: MemoryStore) -> None:
    assert ", and started from ImageNet weights." in build_report(run, "run")[0].decode()
    for arm in ("baseline", "expanded"):
        outputs = json.loads(run.get(f"runs/run/steps/{arm}.json"))["outputs"]
        put(run, f"runs/run/steps/{arm}.json", {"outputs": {**outputs, "initial_weights": "starter"}})
    for wanted, warned in (("imagenet", True), ("starter", False)):
        put(run, "runs/run/pipeline.json", {"settings": {"classifier": {"initial_weights": wanted}}})
        page = build_report(run, "run")[0].decode()
        assert "started from the starter classifier, which learned from drawn parts and surfaces." in page
        assert ("No ImageNet weights were found" in page) == warned


def test_that_the_test_set_is_small_is_said_once(run: MemoryStore) -> None:
    outputs = json.loads(run.get("runs/run/steps/ingest.json"))["outputs"]
    outputs["split_warning"] = "the test split holds 4 independent parts only: intervals will be wide"  # earlier runs
    put(run, "runs/run/steps/ingest.json", {"outputs": outputs})
    page = build_report(run, "run")[0].decode()
    assert re.findall(r'<div class="warning">(.*?)</div>', page) == [
        "Small test set: it holds 4 independent parts only."
    ]


def test_both_arms_show_how_far_their_probabilities_can_be_believed(run: MemoryStore) -> None:
    page = build_report(run, "run")[0].decode()
    section = page[page.index('id="reliability"') : page.index('id="counts"')]
    drawings = re.findall(r"<h3>([^<]+)</h3><img [^>]*base64,([^\"]+)", section)
    assert [(arm, base64.b64decode(data)) for arm, data in drawings] == [
        ("real only", b"<svg>real</svg>"), ("real + synthetic", b"<svg>both</svg>"),
    ]  # fmt: skip
    for arm in ("baseline", "expanded"):
        run.delete(f"models/{arm}/reliability.svg")
    assert 'id="reliability"' not in build_report(run, "run")[0].decode()


def test_what_every_threshold_keeps_is_of_all_rounds(run: MemoryStore) -> None:
    content = read_run(run, "run")
    assert content.curves["good"]["kept"]["good"] == pytest.approx([1, 2 / 3, 0])
    assert content.curves["good"]["real"]["good"] == [1, 0.9, 0.1]


def test_every_label_and_every_kind_of_defect_is_told(run: MemoryStore) -> None:
    page = build_report(run, "run")[0].decode()
    section = page[page.index("Label by label") : page.index('id="curves"')]
    rows = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip()
        for row in re.findall(r"<tr>(.*?)</tr>", section, re.S)
    ]
    assert rows[1] == "defect 2 100.0% 50.0% defect: 1, good: 1 100.0% 50.0% defect: 1, good: 1"
    assert rows[2] == "good 2 66.7% 100.0% good: 2 66.7% 100.0% good: 2"
    assert rows[4] == "crack 2 1: 50.0% [1.3%, 98.7%] 1: 50.0% [1.3%, 98.7%]"


def test_a_run_of_an_earlier_version_has_no_such_table(run: MemoryStore) -> None:
    document = json.loads(run.get("v"))
    del document["decisions"]
    put(run, "v", document)
    assert "Label by label" not in build_report(run, "run")[0].decode()


def test_a_run_without_masks_speaks_of_none(run: MemoryStore) -> None:
    model = {"model": "run.baseline/1", "masked": 0, "cells": [1, 1], "sanity": {"stages": {}, "passed": None}}
    put(run, "s", {"models": [model, model], "moved": None})
    page = build_report(run, "run")[0].decode()
    assert "with a mask" not in page
    assert "moves the heat" not in page
