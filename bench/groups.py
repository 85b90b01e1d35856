"""How well the finder of groups does on the magnetic tiles: `python -m bench.groups`.

The finder sees the photographs only; which tile each shows (tiles.csv) is looked at afterwards. That table was read off
the running numbers in the source's file names, kind by kind, so it is held to the photographs, too.
"""

import csv
import os
import sys
import time
from pathlib import Path

import numpy as np

from bench.record import record
from defectory.datasets.groups import FINE, correlate, find_groups, without_common
from defectory.datasets.splits import split_by_group
from defectory.imaging import decode

SEEDS = 20
SURELY_ONE_TILE = 0.6  # correlation of fine structure; in 1,000 pairs of photographs far apart one is above 0.25


def main() -> int:
    """Measure and record."""
    root = Path(os.environ.get("DEFECTORY_SHARED", "../shared")) / "data/magnetic_tile"
    with (root / "tiles.csv").open() as file:
        rows = list(csv.DictReader(file))
    tiles = np.unique([row["tile"] for row in rows], return_inverse=True)[1]
    labels = [Path(row["image"]).parent.name for row in rows]
    images = [np.asarray(decode((root / row["image"]).read_bytes()).convert("L")) for row in rows]
    started = time.perf_counter()
    structure = np.stack([FINE.describe(image) for image in images])
    groups = find_groups(structure)
    seconds = time.perf_counter() - started
    alike = np.triu(correlate(without_common(structure)) > SURELY_ONE_TILE, 1)
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
        [f"pairs that correlate above {SURELY_ONE_TILE}", f"{alike.sum()}"],
        ["of these, of two tiles by the table", _apart(alike, tiles)],
        ["of these, of two labels", _apart(alike, np.unique(labels, return_inverse=True)[1])],
        ["of these, in two found groups", _apart(alike, groups)],
        ["seconds for all photographs", f"{seconds:.0f}"],
    ]
    notes = f"{len(tiles)} photographs, split 60 / 20 / 20 by `split_by_group`, mean over {SEEDS} seeds."
    if (busy := os.getloadavg()[0]) > (os.cpu_count() or 1) + 1:
        notes += f" The seconds are of a busy machine: a load of {busy:.0f} on {os.cpu_count()} cores."
    sys.stdout.write(record("Groups of the magnetic tiles", "python -m bench.groups", ["what", "value"], table, notes))
    return 0


def _apart(alike: np.ndarray, groups: np.ndarray) -> str:
    """How many pairs that are alike lie in two groups, and of how many photographs they are."""
    pairs = np.argwhere(alike & (groups[:, None] != groups[None]))
    return f"{len(pairs)} ({len(np.unique(pairs))} photographs)"


def _leak(tiles: np.ndarray, labels: list[str], groups: np.ndarray, seed: int) -> float:
    split = np.array(split_by_group(labels, [str(g) for g in groups], seed=seed))
    test = split == "test"
    return float(np.isin(tiles[test], tiles[split == "train"]).mean())


if __name__ == "__main__":
    sys.exit(main())
