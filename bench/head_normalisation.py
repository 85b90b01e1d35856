"""Why a fine-tuned classifier swung from epoch to epoch: the statistics of the head's batch normalisation, three ways.

    python -m bench.head_normalisation --store URL --dataset NAME

One training, looked at after every epoch with the moving statistics as Keras keeps them (momentum 0.99), with those of
momentum 0.9, and with those of the training images under the present weights. The training itself is the same: while it
learns, the layer normalises by batch. Every epoch adds a line to docs/results/head_normalisation.jsonl, and
docs/results/head_normalisation.md is written anew.
"""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.storage import open_store
from services.classifier.settings import training_settings
from services.classifier.training.measurement import measure
from services.classifier.training.order import Drawable, batches
from services.classifier.training.preparation import Prepared, prepare
from services.classifier.training.schedule import Schedule

LOG = Path(__file__).parents[1] / "docs/results/head_normalisation.jsonl"
KERAS, FASTER, SETTLED = "momentum 0.99", "momentum 0.9", "settled"
SPLITS = ("train", "validation", "test")
HEADER = """# The head's batch normalisation, three ways

Written by `python -m bench.head_normalisation` from its log: 400 photographs of magnetic tiles at 64 px, split by tile,
recipe `paper` at a rate of 2e-4. Macro-F1 after every epoch of one training, with the statistics that the layer would
normalise by when it serves: Keras' moving averages, faster ones, and those of the training images under the present
weights, which is what the product takes. Lag: how far the moving mean lies from that of the training images, in their
standard deviations, mean over the units.
"""


def epochs_of(prepared: Prepared, settings: Any, seed: int) -> Iterator[dict[str, Any]]:
    """A row an epoch: macro-F1 of every split under each kind of statistics."""
    trainer, parts = prepared.trainer, prepared.parts
    layer = trainer.network.top.get_layer("normalisation")
    train = parts["train"]
    schedule, images = Schedule(settings, len(train.lines)), Drawable.of(train.lines, train.labels)
    trainer.start_cycle(seed)

    def statistics() -> tuple[np.ndarray, np.ndarray]:
        return layer.moving_mean.numpy(), layer.moving_variance.numpy()

    faster = before = statistics()
    for epoch in range(settings.epochs):
        order = batches(
            images, epoch=epoch, steps=schedule.steps, batch=settings.batch, real_share=None, seed=seed,
        )  # fmt: skip
        for number, chosen in enumerate(order):
            trainer.train(
                train.pixels[chosen], train.labels[chosen], schedule.progress(epoch * schedule.steps + number), None
            )
            after = statistics()
            batch = [(a - 0.99 * b) / 0.01 for a, b in zip(after, before, strict=True)]
            faster = 0.9 * faster[0] + 0.1 * batch[0], 0.9 * faster[1] + 0.1 * batch[1]
            before = after
        features = {split: trainer.embed(parts[split].pixels) for split in SPLITS}
        trainer.settle(features["train"])
        settled, row = statistics(), {}
        for name, (mean, variance) in {KERAS: before, FASTER: faster, SETTLED: settled}.items():
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)
            row[name] = [
                measure(parts[split].labels, trainer.predict(features[split]), settings.focal_gamma)["f1"]
                for split in SPLITS
            ]
        layer.moving_mean.assign(before[0])
        layer.moving_variance.assign(before[1])
        lag = float(np.abs((before[0] - settled[0]) / np.sqrt(settled[1] + layer.epsilon)).mean())
        yield {"cycle": seed, "epoch": epoch + 1, **row, "lag": lag}


def write_page(log: Path) -> Path:
    """The table of all epochs, and how far macro-F1 moves from one to the next, beside the log."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    kinds = (KERAS, FASTER, SETTLED)
    columns = ["cycle", "epoch", *(f"{kind}: {split}" for split in SPLITS[:2] for kind in kinds), "lag"]
    text = [HEADER, f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        values = [f"{row[kind][number]:.2f}" for number in range(2) for kind in kinds]
        text.append(f"| {row['cycle'] + 1} | {row['epoch']} | {' | '.join(values)} | {row['lag']:.2f} |")
    text += ["", "| from one epoch to the next, mean | train | validation | test |", "|---|---|---|---|"]
    for kind in kinds:
        text.append(f"| {kind} | {' | '.join(f'{_step(rows, kind, number):.2f}' for number in range(3))} |")
    page = log.with_suffix(".md")
    page.write_text("\n".join(text) + "\n")
    return page


def _step(rows: Sequence[Mapping[str, Any]], kind: str, number: int) -> float:
    pairs = [(a, b) for a, b in pairwise(rows) if a["cycle"] == b["cycle"]]
    return float(np.mean([abs(b[kind][number] - a[kind][number]) for a, b in pairs]))


def some(lines: Sequence[ManifestLine], count: int) -> list[ManifestLine]:
    """So many of them, in their order."""
    return [lines[i] for i in sorted(np.random.default_rng(0).permutation(len(lines))[:count])]


def main() -> None:
    """Train, and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--dataset", required=True, help="of good and defective parts")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--cycles", type=int, default=3)
    given = parser.parse_args()
    store = open_store(given.store)
    lines = some(read_manifest(store, store.uri(f"datasets/{given.dataset}/manifest.jsonl")), given.images)
    settings = training_settings({"recipe": "paper", "input_px": 64, "learning_rate": 2e-4, "epochs": given.epochs}, 64)
    sources = {"shared": os.environ.get("DEFECTORY_SHARED", "../shared")}
    prepared = prepare(store, lines, tuple(sorted({line.label for line in lines})), settings, sources)
    LOG.write_text("")
    for cycle in range(given.cycles):
        for row in epochs_of(prepared, settings, cycle):
            with LOG.open("a") as file:
                file.write(json.dumps(row) + "\n")
    write_page(LOG)


if __name__ == "__main__":
    main()
