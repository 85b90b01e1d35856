"""A finished run as it lies in a store: what the services and the steps leave, of any arms."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from defectory.datasets.layouts.source import LeftOut, Source, SourceFile
from defectory.datasets.layouts.summary import summarise
from defectory.datasets.manifest import write_dataset
from defectory.datasets.manifest_line import Judgement, ManifestLine, Origin, PictureFile, Synthesis
from defectory.imaging import encode_png
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline.arms import DEFAULT_ARMS, ArmSettings
from orchestrator.pipeline.settings import resolve

LABELS = ("defect", "good")
SYNTHETIC = Origin(kind="synthetic")
FOUR = (
    *DEFAULT_ARMS,
    ArmSettings(name="raw", trains_on="synthetic", title="unfiltered"),
    ArmSettings(name="even", trains_on="balanced", classifier={"epochs": 9}, colour="#123456"),
)


def put(store: MemoryStore, key: str, content: object) -> str:
    store.put(key, json.dumps(content).encode())
    return store.uri(key)


def images(store: MemoryStore, count: int, seed: int, **fields: Any) -> list[ManifestLine]:
    lines = []
    for i in range(count):
        data = encode_png(np.random.default_rng(seed + i).integers(0, 256, (16, 16, 3)).astype(np.uint8))
        key = f"images/{seed + i}.png"
        store.put(key, data)
        digest = hashlib.sha256(data).hexdigest()
        file = PictureFile(uri=store.uri(key), sha256=digest, width=16, height=16)
        lines.append(ManifestLine(file=file, **{"label": LABELS[i % 2], **fields}))
    return lines


def metrics() -> dict:
    measured = {"loss": 0.2, "accuracy": 0.8, "precision": 0.8, "recall": 0.8, "f1": 0.8}
    epochs = [{"epoch": e, "train": measured, "validation": measured, "test": measured} for e in (1, 2)]
    return {
        "labels": LABELS,
        "cycles": [{"seed": s, "best_epoch": 1, "epochs": epochs} for s in (0, 1, 2)],
        "curves": {"validation": curves(), "test": curves()},
    }


def curves() -> dict:
    """Of two defects, which score 0.3 and 0.7, and two good parts, which score 0.1 and 0.4."""
    interval = {"accuracy_low": 0.0126, "accuracy_high": 0.9874}
    sure = {"low": 0.6, "high": 0.6667, "images": 2, "confidence": 0.65, "right": 1, "accuracy": 0.5, **interval}
    surer = {"low": 0.8667, "high": 0.9333, "images": 2, "confidence": 0.9, "right": 1, "accuracy": 0.5, **interval}
    return {
        "reliability": {"as_trained": [surer], "calibrated": [sure]},
        "operating": {
            "defects": 2, "good": 2, "thresholds": [0.1, 0.3, 0.4, 0.7, 2.0], "missed": [0, 0, 1, 1, 2],
            "false_alarms": [2, 1, 1, 0, 0],
        },
    }  # fmt: skip


def card(recipe: str = "best", input_px: int = 224) -> dict:
    return {
        "settings": {
            "recipe": recipe, "input_px": input_px, "width_multiplier": 1.0, "trainable_base": "none", "epochs": 60,
            "augment": 0.0,
        }
    }  # fmt: skip


def evaluation(test: list[ManifestLine]) -> dict:
    measured = {"loss": 0.2, "accuracy": 0.8, "precision": 0.8, "recall": 0.8, "f1": 0.8}
    rows = [
        {
            "sha256": x.file.sha256,
            "label": x.label,
            "group": x.file.sha256,
            "probabilities": [[0.6, 0.4], [0.3, 0.7], [0.3, 0.7]],
        }
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
    escape = {"count": 1, "of": 2, "low": 0.0126, "high": 0.9874}
    overkill = {"count": 0, "of": 2, "low": 0.0, "high": 0.8419}
    return {
        "labels": LABELS,
        "cycles": [{"metrics": measured}] * 3,
        "images": rows,
        "decisions": decisions,
        "operating_point": {
            "good": "good",
            "threshold": 0.5,
            "measured": {"escape": escape, "overkill": overkill},
        },
        "curves": curves(),
    }


def finished_run(arms: Sequence[ArmSettings] = DEFAULT_ARMS, kinds: tuple[str, str] = ("", "")) -> MemoryStore:
    """A run named "run"; every arm's reliability.svg holds its name.

    Args:
        kinds: of the photographs, one and the other.
    """
    store = MemoryStore()
    train, test = images(store, 4, 100, split="train"), images(store, 4, 200, split="test")
    real = [replace(x, kind=kinds[i % 2]) for i, x in enumerate([*train, *test])]
    manifest_uri = write_dataset(store, "run", real, {})
    model = {
        "masked": 30, "cells": [7, 7], "pointing": 0.4, "pointing_by_chance": 0.1, "inside": 0.3,
        "inside_by_chance": 0.05, "beside": 3, "max_box_acc_v2": {"mean": 0.25},
        "sanity": {"stages": {"everything": 0.1}, "passed": True},
    }  # fmt: skip
    moved = {"images": 30, "parts": 20, "inside": 0.2, "low": 0.1, "high": 0.3}
    models = [{**model, "model": f"run.{arms[0].name}/1"}]
    models += [{**model, "model": f"run.{arm.name}/1", "inside": 0.5, "moved": moved} for arm in arms[1:]]
    evaluated = {"evaluation_uri": put(store, "v", evaluation(test)), "metrics": {"f1": 0.8}}
    steps: dict[str, object] = {
        "ingest": {
            "dataset": "run", "manifest_uri": manifest_uri, "content_hash": "0", "images": 8, "labels": LABELS,
            "counts": {"train": {"defect": 2, "good": 2}}, "skipped": [], "bits": 16,
            "source": summarise(Source(Path("photos"), "mvtec", (SourceFile("x.png", "good"),), "good",
                                       (LeftOut("y.png", "it has no label"),), reason="it holds train/good")),
        },
        "filter": {"good": {"rounds": _rounds(store, train[1].file.sha256), "quota": 2, "accepted": 2}},
        "explain": {
            "explanations_uri": _explanations(store, arms, test), "summary_uri": put(store, "s", {"models": models}),
            "sheet_uri": "x", "count": 1,
        },
    }  # fmt: skip
    for arm in arms:
        folder = f"models/{arm.name}"
        store.put(f"{folder}/reliability.svg", f"<svg>{arm.name}</svg>".encode())
        steps[arm.name] = {
            "name": f"run.{arm.name}", "version": "1", "weights_sha256": "0", "initial_weights": "imagenet",
            "steps_per_epoch": 3, "metrics_uri": put(store, f"{folder}/metrics.json", metrics()),
            "card_uri": put(store, f"{folder}/model.json", card()),
        }  # fmt: skip
        steps[f"{arm.name}-evaluate"] = evaluated
        if arm.trains_on == "synthetic":
            synthetic = images(store, 3, 400, label="good", split="train", origin=SYNTHETIC)
            name = f"run.{arm.name}"
            steps[f"{arm.name}-dataset"] = {
                "dataset": name, "manifest_uri": write_dataset(store, name, [*train, *synthetic], {}),
                "content_hash": "0", "counts": {"train": {"defect": 2, "good": 5}}, "synthetic": {"good": 3},
            }  # fmt: skip
    settings = resolve({"name": "run", "data": {"directory": "photos"}, "arms": arms, "filter": {"threshold": 0.8}}, {})
    pipeline = {
        "name": "run", "preset": "", "settings": settings.model_dump(mode="json"), "contract_version": 1,
        "versions": {"defectory": "0.1.0"},
    }  # fmt: skip
    put(store, "runs/run/pipeline.json", pipeline)
    for step, outputs in steps.items():
        record = {"step": step, "input_hash": "0", "started": "", "finished": "", "outputs": outputs, "warnings": []}
        put(store, f"runs/run/steps/{step}.json", record)
    return store


def _rounds(store: MemoryStore, nearest: str) -> list[dict]:
    """Two rounds of synthetic images of good parts: 4 and 1, of which 2 were accepted.

    Args:
        nearest: sha256 of the photograph that is nearest to those that were accepted.
    """
    outlier = Judgement(verdict="rejected", reasons=("outlier",))
    unsure = Judgement(verdict="rejected", scores={"good": 0.2})
    sure = Judgement(verdict="accepted", scores={"good": 0.95, "defect": 0.05}, nearest_real=nearest,
                     feature_distance=0.125)  # fmt: skip
    by = Synthesis(generator="run.good/1", seed=77, truncation_psi=0.7)
    rejected = images(store, 2, 300, label="good", origin=SYNTHETIC, judgement=outlier)
    accepted = images(store, 2, 310, label="good", origin=SYNTHETIC, judgement=sure, synthesis=by)
    later = images(store, 1, 320, label="good", origin=SYNTHETIC, judgement=unsure)
    curve = {"thresholds": [0, 0.5, 1], "kept": {"good": [1, 0.5, 0]}, "real": {"good": [1, 0.9, 0.1]}}
    counted = {"synthetic_manifest_uri": "x", "content_hash": "0", "verdicts": {}, "reasons": {}}
    return [
        {
            **counted, "manifest_uri": write_dataset(store, "judged", [*rejected, *accepted], {}),
            "curve_uri": put(store, "c", curve),
        },
        {
            **counted, "manifest_uri": write_dataset(store, "judged2", later, {}),
            "curve_uri": put(store, "c2", {**curve, "kept": {"good": [1, 0, 0]}}),
        },
    ]  # fmt: skip


def _explanations(store: MemoryStore, arms: Sequence[ArmSettings], test: list[ManifestLine]) -> str:
    row = {
        "uri": test[0].file.uri, "sha256": test[0].file.sha256, "label": "defect", "kind": "crack",
        "method": "grad-cam++", "predicted": "defect", "probability": 0.91, "overlay_uri": test[1].file.uri,
        "on_background": True,
    }  # fmt: skip
    store.put("e", b"".join(json.dumps({**row, "model": f"run.{arm.name}/1"}).encode() + b"\n" for arm in arms))
    return store.uri("e")


def with_many_settings(store: MemoryStore) -> MemoryStore:
    """Let the run have more settings than a page of paper holds."""
    pipeline = json.loads(store.get("runs/run/pipeline.json"))
    pipeline["settings"]["filler"] = {f"setting-{number}": number for number in range(120)}
    put(store, "runs/run/pipeline.json", pipeline)
    return store
