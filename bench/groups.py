"""How well the finder of groups does on the magnetic tiles: `python -m bench.groups`.

The finder sees the photographs only; which tile each shows (tiles.csv) is looked at afterwards.
"""

import csv
import os
import sys
import time
from pathlib import Path

import numpy as np

from bench.record import record
from defectory.datasets.groups import describe, find_groups
from defectory.datasets.splits import split_by_group
from defectory.imaging import decode

SEEDS = 20


def main() -> int:
    """Measure and record."""
    root = Path(os.environ.get("DEFECTORY_SHARED", "../shared")) / "data/magnetic_tile"
    with (root / "tiles.csv").open() as file:
        rows = list(csv.DictReader(file))
    tiles = np.unique([row["tile"] for row in rows], return_inverse=True)[1]
    labels = [Path(row["image"]).parent.name for row in rows]
    images = [np.asarray(decode((root / row["image"]).read_bytes()).convert("L")) for row in rows]
    started = time.perf_counter()
    groups = find_groups(np.stack([describe(image) for image in images]))
    seconds = time.perf_counter() - started
    same_tile = tiles[:, None] == tiles[None]
    same_group = groups[:, None] == groups[None]
    off = ~np.eye(len(tiles), dtype=bool)
    both = (same_tile & same_group & off).sum()
    by_photograph = [_leak(tiles, labels, np.arange(len(tiles)), seed) for seed in range(SEEDS)]
    by_group = [_leak(tiles, labels, groups, seed) for seed in range(SEEDS)]
    table = [
        ["test images whose tile is also trained on, split by photograph", f"{np.mean(by_photograph):.1%}"],
        ["the same, split by found group", f"{np.mean(by_group):.1%} (worst of {SEEDS} seeds {max(by_group):.1%})"],
        ["pairwise precision", f"{both / (same_group & off).sum():.2f}"],
        ["pairwise recall", f"{both / (same_tile & off).sum():.2f}"],
        ["largest group, share of the images", f"{np.bincount(groups).max() / len(groups):.1%}"],
        ["groups found (tiles there are)", f"{groups.max() + 1} ({tiles.max() + 1})"],
        ["seconds for all photographs", f"{seconds:.0f}"],
    ]
    notes = f"{len(tiles)} photographs, split 60 / 20 / 20 by `split_by_group`, mean over {SEEDS} seeds."
    sys.stdout.write(record("Groups of the magnetic tiles", "python -m bench.groups", ["what", "value"], table, notes))
    return 0


def _leak(tiles: np.ndarray, labels: list[str], groups: np.ndarray, seed: int) -> float:
    split = np.array(split_by_group(labels, [str(g) for g in groups], seed=seed))
    test = split == "test"
    return float(np.isin(tiles[test], tiles[split == "train"]).mean())


if __name__ == "__main__":
    sys.exit(main())
