"""How often the watch for leaked augmentations raises a false alarm, and how often it finds a leak, by kind of image.

    DEFECTORY_SHARED=../shared python -m bench.leaks [--quick]

No generator takes part: the images of a dataset are split in two by chance, one half is "real", the other "synthetic".
As they are, nothing has leaked, and whatever is found is a false alarm. Where a share of them is augmented as ADA does
it, by one group of transformations at the highest p that a training lets happen, what is found is a hit.
"""

import argparse
import csv
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from bench.record import record
from defectory.imaging import decode, to_square
from orchestrator.cables.drawing import draw_cable
from services.generator.metrics.features import texture
from services.generator.starter.drawing import draw
from services.generator.stylegan2.augment import GROUPS, augment
from services.generator.training.ada import P_LIMIT
from services.generator.training.leaks import COLOUR, ORIENTATION, LeakDetector, Views, views

COMMAND = "python -m bench.leaks"
SIDE_PX = 64
DRAWN = 400
MOST_FAKES = 200  # as many as a training makes at a snapshot
REAL_COUNTS = (50, 200)
SHARES = (0.1, 0.3, 0.5)
HONEST_CHECKS, LEAKY_CHECKS = 150, 10
PROCESSES = 2


@dataclass(frozen=True)
class Images:
    """A dataset: pixels (N, R, R, C) uint8; images of one group (N,) show the same part and stay on one side."""

    pixels: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Described:
    """Features of a dataset's images as they are, as the watch's transformations and as ADA's groups make them."""

    views: Views
    augmented: Mapping[str, np.ndarray]  # group of transformations -> (N, F)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the checks; nothing is recorded")
    given = parser.parse_args()
    rows = rows_of_datasets(_rows, 10 if given.quick else 1)
    if given.quick:
        return
    columns = ("images", "real / synthetic", "false alarms: orientation", "colour")
    columns += tuple(f"hits: {group}" for group in GROUPS)
    notes = (
        f"{HONEST_CHECKS} honest checks and {LEAKY_CHECKS} of each group and share, every one on another split in two. "
        f"Hits are shares of the checks in which anything was found where\n{_slashed(f'{x:.0%}' for x in SHARES)} of "
        f"the synthetic images are augmented (p {P_LIMIT}). Photographs of one tile stay on one side."
    )
    record("Leaked augmentations", COMMAND, columns, rows, notes, packages=("numpy", "scikit-learn"))


def rows_of_datasets(rows_of: Callable[[str, int], list[list[str]]], checks: int) -> list[list[str]]:
    """Rows of the table for every dataset, by its name and by how much is checked; shown as they come."""
    rows = []
    with ProcessPoolExecutor(PROCESSES) as pool:
        for dataset_rows in pool.map(rows_of, DATASETS, [checks] * len(DATASETS)):
            rows += dataset_rows
            sys.stdout.writelines(" | ".join(row) + "\n" for row in dataset_rows)
            sys.stdout.flush()
    return rows


def _rows(name: str, part: int) -> list[list[str]]:
    """Rows of the table for a dataset, with so small a part of the checks."""
    torch.set_num_threads(1)
    images = DATASETS[name]()
    described = describe(images.pixels)
    return [
        row(name, described, images.groups, count, max(1, HONEST_CHECKS // part), max(1, LEAKY_CHECKS // part))
        for count in REAL_COUNTS
        if count <= len(images.pixels) // 2
    ]


def row(name: str, of: Described, groups: np.ndarray, real_count: int, honest: int, leaky: int) -> list[str]:
    """A row of the table."""
    rng = np.random.default_rng(0)
    alarms = {ORIENTATION: 0, COLOUR: 0}
    hits = {(group, share): 0 for group in GROUPS for share in SHARES}
    fakes = 0
    for number in range(honest):
        real, fake = split(groups, real_count, rng)
        fakes = len(fake)
        detector = LeakDetector(of.views.rows(real))
        for leak in detector.find_in(of.views.plain[0, fake], "bgcfnc"):
            alarms[leak.kind] += 1
        for group, share in hits if number < leaky else ():
            features = of.views.plain[0, fake]
            leaked = round(share * len(fake))
            features[:leaked] = of.augmented[group][fake[:leaked]]
            hits[group, share] += bool(detector.find_in(features, "bgcfnc"))
    return [
        name, f"{real_count} / {fakes}", *(f"{count / honest:.1%}" for count in alarms.values()),
        *(_slashed(f"{hits[group, share] / leaky:.0%}" for share in SHARES) for group in GROUPS),
    ]  # fmt: skip


def split(groups: np.ndarray, real_count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions of real and of synthetic images, of different groups, in random order."""
    order = rng.permutation(np.unique(groups))
    on_left = np.isin(groups, order[: len(order) // 2])
    real, fake = (rng.permutation(np.flatnonzero(side)) for side in (on_left, ~on_left))
    return real[:real_count], fake[:MOST_FAKES]


def describe(pixels: np.ndarray) -> Described:
    """Features of images (N, R, R, C) uint8."""
    rng = torch.Generator().manual_seed(0)
    levels = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    augmented = {}
    for group in GROUPS:
        changed = (augment(levels, P_LIMIT, group, rng) + 1) * 127.5
        augmented[group] = texture(changed.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
    return Described(views(pixels), augmented)


def tiles(kind: str) -> Images:
    """Photographs of magnetic tiles of a kind, as a generator of 64 px learns from them."""
    root = Path(os.environ.get("DEFECTORY_SHARED", "../shared")) / "data/magnetic_tile"
    with (root / "tiles.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if Path(row["image"]).parent.name == kind]
    chosen = np.random.default_rng(0).permutation(len(rows))[:DRAWN]
    photographs = [decode((root / rows[at]["image"]).read_bytes()).convert("L") for at in chosen]
    pixels = np.stack([np.asarray(to_square(image, SIDE_PX)) for image in photographs])[..., None]
    return Images(pixels, np.array([rows[at]["tile"] for at in chosen]))


def digits() -> Images:
    """Handwritten digits, 8 px, enlarged: dark ones on light, all ten in one dataset."""
    small = (255 - load_digits().images[:DRAWN] * 255 / 16).astype(np.uint8)
    pixels = [np.asarray(Image.fromarray(x).resize((32, 32), Image.Resampling.BICUBIC)) for x in small]
    return _apart(np.stack(pixels)[..., None])


def patches() -> Images:
    """Patches of two photographs, a temple and a flower, that do not overlap."""
    squares = [
        photograph[y : y + SIDE_PX, x : x + SIDE_PX]
        for photograph in load_sample_images().images
        for y in range(0, photograph.shape[0] - SIDE_PX + 1, SIDE_PX)
        for x in range(0, photograph.shape[1] - SIDE_PX + 1, SIDE_PX)
    ]
    return _apart(np.stack(squares))


def cables() -> Images:
    """Drawn cross-sections of cables."""
    return _apart(np.stack([draw_cable(seed, "good", SIDE_PX).image for seed in range(DRAWN)]))


def parts() -> Images:
    """Drawn parts on surfaces, what the starter learned from: turned and coloured anyhow."""
    return _apart(np.stack([draw(seed) for seed in range(DRAWN)]))


def _apart(pixels: np.ndarray) -> Images:
    return Images(pixels, np.arange(len(pixels)))


def _slashed(words: Iterator[str]) -> str:
    return " / ".join(words)


DATASETS: Mapping[str, Callable[[], Images]] = {
    "magnetic tiles, good": lambda: tiles("good"),
    "magnetic tiles, blowhole": lambda: tiles("blowhole"),
    "magnetic tiles, uneven": lambda: tiles("uneven"),
    "handwritten digits": digits,
    "patches of photographs": patches,
    "drawn cables": cables,
    "drawn parts": parts,
}


if __name__ == "__main__":
    main()
