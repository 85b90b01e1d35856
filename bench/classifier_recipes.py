"""Tries training settings on validation and keeps the log.

    python -m bench.classifier_recipes trials.json --store URL --datasets tiles-binary tiles-kinds

trials.json: [{"name": "wide head", "settings": {"head_units": 512}}, …]

Every trial trains by the product's own code, adds a line to docs/results/classifier_recipes.jsonl and writes
docs/results/classifier_recipes.md anew. Settings are chosen by validation; the test split is shown only with `--test`,
for settings that had been chosen before. What is killed goes on from its last checkpoint when it is started again with
the same cache.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.storage import open_store
from defectory.storage.store import ObjectStore
from services.classifier.architecture import Architecture
from services.classifier.data import Images, Part, split_parts
from services.classifier.settings import TrainingSettings
from services.classifier.training.check import check
from services.classifier.training.cycles import run_cycle
from services.classifier.training.preparation import class_weights, prepare
from services.classifier.training.schedule import Schedule, Stage
from services.classifier.training.trainer import Trainer

LOG = Path(__file__).parents[1] / "docs/results/classifier_recipes.jsonl"
HEADER = """# How the classifier's recipe `best` was found

Written by `python -m bench.classifier_recipes` from its log. Every row is a training by the product's own code:
macro-F1 at the best epoch, mean over the cycles (lowest to highest). Rows are compared by validation; the test split is
shown for settings that had been chosen before it was looked at. Seconds are without the reading of images, on two cores
that others used too.

†: measured before the base's batch normalisation stood still; not measured anew. Its statistics moved wherever the base
was trained, so such rows say nothing against fine-tuning. A frozen base never moved them. All rows but those of
`tiles-by-tile` were measured before the head's batch normalisation was settled after every epoch, too.

- `tiles-by-tile`: 1,344 photographs of 246 magnetic tiles by their authors' list, 60 / 20 / 20 by tile; good / defect.
- `tiles`: the magnetic tiles, 1,344 photographs in 217 found groups, 60 / 20 / 20 by group; good / defect, and by kind.
- `cables`: 250 drawings by `defectory cables --good 160 --defect 90 --seed 3 --size 256`; they are no photographs.
"""


class Bench:
    """Trials on the datasets of a store; what trials share is made once."""

    def __init__(self, store: ObjectStore, sources: Mapping[str, str], cache: Path) -> None:
        self._store, self._sources, self._cache = store, sources, cache

    def attempt(self, dataset: str, values: Mapping[str, Any], cycles: int) -> dict[str, Any]:
        """Train, and return what the log keeps."""
        lines = read_manifest(self._store, self._store.uri(f"datasets/{dataset}/manifest.jsonl"))
        labels, settings = check(lines, values)
        features = self._cache / f"{dataset}-{settings.input_px}.npz"  # of the frozen base: the same for every trial
        shared: dict[Stage, dict[str, np.ndarray]] = {"pooled": dict(np.load(features))} if features.exists() else {}
        if shared and Schedule(settings, len(lines)).embeds(settings.epochs - 1):  # nothing will look at the images
            trainer, parts = self._head_only(lines, labels, settings)
        else:
            prepared = prepare(self._store, lines, labels, settings, self._sources)
            trainer, parts = prepared.trainer, prepared.parts
        named = hashlib.sha256(f"{dataset} {settings.model_dump_json()}".encode()).hexdigest()[:16]
        kept = open_store(f"file://{self._cache.resolve()}/{named}")
        started, trained = time.perf_counter(), 0

        def count(_cycle: int, _done: int, measured: Mapping[str, float]) -> None:
            nonlocal trained
            trained += bool(measured)  # a cycle that an earlier call had finished says nothing

        results = [
            run_cycle(kept, "", trainer, parts, shared, settings, cycle, cycle, count) for cycle in range(cycles)
        ]
        epochs = sum(len(result.epochs) for result in results)
        seconds = (time.perf_counter() - started) / max(1, trained) * epochs / cycles
        if "pooled" in shared and not features.exists():
            np.savez(features, **shared["pooled"])  # type: ignore[arg-type]
        best = [result.epochs[result.card.best_epoch - 1] for result in results]
        return {
            "validation": [entry["validation"]["f1"] for entry in best],
            "test": [entry["test"]["f1"] for entry in best],
            "best_epochs": [result.card.best_epoch for result in results],
            "epochs": [len(result.epochs) for result in results],
            "seconds": seconds,
        }

    def _head_only(
        self, lines: list[ManifestLine], labels: tuple[str, ...], settings: TrainingSettings
    ) -> tuple[Trainer, dict[str, Part]]:
        architecture = Architecture(
            labels=labels, input_px=32, head_units=settings.head_units, dropout=settings.dropout, l2=settings.l2
        )
        trainer = Trainer(architecture, settings, class_weights(lines, labels, settings.class_balance))
        trainer.keep_base()
        return trainer, split_parts(Images(lines, np.zeros((len(lines), 0), np.uint8), []), labels)


def write_page(log: Path) -> Path:
    """The tables of all trials, beside the log."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    text = [HEADER]
    for dataset in sorted({row["dataset"] for row in rows}):
        columns = ["trial", "settings", "validation", "test", "best epochs", "s a cycle"]
        text += [f"## {dataset}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for row in (r for r in rows if r["dataset"] == dataset):
            cells = [
                row["name"] + " †" * row.get("statistics_moved", False),
                ", ".join(f"{k} {v}" for k, v in row["settings"].items()),
                _spread(row["validation"]),
                _spread(row["test"]) if row["show_test"] else "",
                ", ".join(map(str, row["best_epochs"])),
                f"{row['seconds']:.0f}",
            ]
            text.append(f"| {' | '.join(cells)} |")
        text.append("")
    page = log.with_suffix(".md")
    page.write_text("\n".join(text).rstrip() + "\n")
    return page


def _spread(values: Sequence[float]) -> str:
    mean = f"{sum(values) / len(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def main() -> int:
    """Try what the file says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=Path)
    parser.add_argument("--store", required=True)
    parser.add_argument("--datasets", nargs="+", required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps what the frozen base computes")
    parser.add_argument("--cycles", type=int, default=1)
    parser.add_argument("--test", action="store_true", help="show the test split: for settings already chosen")
    arguments = parser.parse_args()
    sources = {"shared": os.environ.get("DEFECTORY_SHARED", "../shared")}
    bench = Bench(open_store(arguments.store), sources, arguments.cache)
    for trial in json.loads(arguments.trials.read_text()):
        for dataset in arguments.datasets:
            figures = bench.attempt(dataset, trial["settings"], arguments.cycles)
            row = {**trial, "dataset": dataset, "show_test": arguments.test, **figures}
            with LOG.open("a") as file:
                file.write(json.dumps(row) + "\n")
            write_page(LOG)
            shown = f"{trial['name']}, {dataset}: {_spread(figures['validation'])} at {figures['best_epochs']}"
            print(f"{shown}, {figures['seconds']:.0f} s a cycle", flush=True)  # noqa: T201 - a script's answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
