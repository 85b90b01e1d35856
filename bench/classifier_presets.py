"""Tries training settings on validation and keeps the log.

    python -m bench.classifier_presets NAME --store URL --datasets tiles-binary tiles-kinds --set key=value …

Every trial trains by the product's own code, adds a line to docs/results/classifier_presets.jsonl and writes
docs/results/classifier_presets.md anew. Settings are chosen by validation; the test split is shown only with `--test`,
for settings that had been chosen before.
"""

import argparse
import json
import os
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from defectory.storage import open_store
from defectory.storage.store import ObjectStore
from services.classifier.training import run

LOG = Path(__file__).parents[1] / "docs/results/classifier_presets.jsonl"
HEADER = """# How the classifier's preset `best` was found

Written by `python -m bench.classifier_presets` from its log. Every row is a training by the product's own code:
macro-F1 at the best epoch, mean over the cycles (lowest to highest), and the calibration error on validation before and
after scaling. Rows are compared by validation; the test split is shown for settings that had been chosen before it was
looked at.

- `tiles`: the magnetic tiles, 1,344 photographs in 217 found groups, 60 / 20 / 20 by group; good / defect, and by kind.
- `cables`: 250 drawings by `defectory cables --good 160 --defect 90 --seed 3 --size 256`; they are no photographs.
"""


def attempt(
    store: ObjectStore, dataset: str, values: Mapping[str, Any], cycles: int, sources: Mapping[str, str]
) -> dict[str, Any]:
    """Train, and return what the log keeps."""
    manifest = store.uri(f"datasets/{dataset}/manifest.jsonl")
    started = time.perf_counter()
    card = run.train(
        store, uuid.uuid4().hex, "trial", manifest, values,
        cycles=cycles, seed=0, sources=sources, report=lambda *_: None,
    )  # fmt: skip
    seconds = (time.perf_counter() - started) / cycles
    metrics = json.loads(store.get(card.prefix + "metrics.json"))
    best = [cycle["epochs"][cycle["best_epoch"] - 1] for cycle in metrics["cycles"]]
    error = card.calibration.validation
    return {
        "validation": [entry["validation"]["f1"] for entry in best],
        "test": [entry["test"]["f1"] for entry in best],
        "best_epochs": [cycle["best_epoch"] for cycle in metrics["cycles"]],
        "ece": [error.ece_before, error.ece_after],
        "seconds": seconds,
    }


def write_page(log: Path) -> Path:
    """The tables of all trials, beside the log."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    text = [HEADER]
    for dataset in sorted({row["dataset"] for row in rows}):
        columns = ["trial", "settings", "validation", "test", "best epochs", "ECE", "s a cycle"]
        text += [f"## {dataset}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for row in (r for r in rows if r["dataset"] == dataset):
            cells = [
                row["name"],
                ", ".join(f"{k} {v}" for k, v in row["settings"].items()),
                _spread(row["validation"]),
                _spread(row["test"]) if row["show_test"] else "",
                ", ".join(map(str, row["best_epochs"])),
                " → ".join(f"{error:.3f}" for error in row["ece"]),
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


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def main() -> int:
    """Try what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--store", required=True, help="holds the datasets, and takes the models")
    parser.add_argument("--datasets", nargs="+", required=True)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--cycles", type=int, default=1)
    parser.add_argument("--test", action="store_true", help="show the test split: for settings already chosen")
    arguments = parser.parse_args()
    store = open_store(arguments.store)
    settings = {key: _value(value) for key, _, value in (item.partition("=") for item in arguments.set)}
    sources = {"shared": os.environ.get("DEFECTORY_SHARED", "../shared")}
    for dataset in arguments.datasets:
        found = attempt(store, dataset, settings, arguments.cycles, sources)
        row = {"name": arguments.name, "dataset": dataset, "settings": settings, "show_test": arguments.test, **found}
        with LOG.open("a") as file:
            file.write(json.dumps(row) + "\n")
        shown = f"{arguments.name}, {dataset}: {_spread(found['validation'])} at {found['best_epochs']}"
        sys.stdout.write(f"{shown}, {found['seconds']:.0f} s a cycle\n")
    write_page(LOG)
    return 0


if __name__ == "__main__":
    sys.exit(main())
