"""How surely copies of training images are recognised, and how often honest images are taken for some.

    DEFECTORY_SHARED=../shared python -m bench.copies [--quick]

No generator takes part: the images of a dataset are split in three by chance, into training images, held-out ones, and
others that stand for an honest generator's. Copies are training images, as they are and changed. One training image is
there twice, the second time with a little noise, as a part that was photographed twice without anybody's knowing.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import pairwise

import numpy as np
from PIL import Image, ImageFilter

from bench.leaks import DATASETS, rows_of_datasets
from bench.record import record
from services.generator.metrics.likeness import NOTHING_KNOWN, Memory, TrainingImages
from services.generator.training.snapshot_judge import fault_of

COMMAND = "python -m bench.copies"
TRAINING_COUNTS = (35, 150)  # of fifty images and of about two hundred
CHECKS = 30
COPIED = 0.2  # of the images that a copying generator makes
MOST_OTHERS = 100
NUMBERED_TWICE = {  # tiles that the list of tiles takes for others; found by this comparison, then looked at
    "good-032": "good-031", "good-033": "good-031", "good-150": "good-149",
    "blowhole-007": "blowhole-006", "blowhole-012": "blowhole-011",
}  # fmt: skip

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the checks; nothing is recorded")
    given = parser.parse_args()
    rows = rows_of_datasets(_rows, CHECKS // 10 if given.quick else CHECKS)
    if given.quick:
        return
    columns = ("images", "training", "honest images taken for copies", "false alarms", "without held-out", "alarms")
    notes = (
        f"{CHECKS} checks, each on another split; images of one tile stay on one side. False alarms: checks in which\n"
        "honest images would have been refused as copies, with held-out images to compare with and without. Alarms:\n"
        f"checks in which images were refused of which {COPIED:.0%} are copies with all three changes, a shift by a\n"
        "pixel, a blur (0.5 px) and noise (±2 levels). The other columns: the share of copies that is recognised, by\n"
        "what was done to them. One training image is there twice (±2). Tiles that their list numbers twice are joined."
    )
    record("Copies of training images", COMMAND, (*columns, *CHANGES), rows, notes, packages=("numpy", "pillow"))


def _rows(name: str, checks: int) -> list[list[str]]:
    """Rows of the table for a dataset."""
    images = DATASETS[name]()
    groups = np.array([NUMBERED_TWICE.get(group, group) for group in images.groups.astype(str)])
    return [
        _row(name, images.pixels, groups, count, checks)
        for count in TRAINING_COUNTS
        if count <= len(images.pixels) // 2
    ]


def _row(name: str, pixels: np.ndarray, groups: np.ndarray, count: int, checks: int) -> list[str]:
    """A row of the table."""
    rng = np.random.default_rng(0)
    honest, alarms, alone, hits = [], [], [], []
    recognised: dict[str, list[float]] = {change: [] for change in CHANGES}
    for _ in range(checks):
        train, held_out, others = _split(groups, count, rng)
        twin = noisy(pixels[train[:1]], 2, rng)
        learned = np.concatenate([pixels[train], twin])
        known = TrainingImages(learned, [*groups[train], "twin"])
        real = known.memory(pixels[held_out])
        of_others = known.memory(pixels[others])
        honest.append(of_others.copies)
        alarms.append(bool(_fault(of_others, real)))
        alone.append(bool(_fault(of_others, NOTHING_KNOWN)))
        for change, copied in CHANGES.items():
            recognised[change].append(known.memory(copied(pixels[train], rng)).copies)
        partly_copied = pixels[others].copy()
        few = max(1, round(COPIED * len(partly_copied)))
        partly_copied[:few] = CHANGES[ALL](pixels[train], rng)[rng.integers(0, len(train), few)]
        hits.append(bool(_fault(known.memory(partly_copied), real)))
    shares = [f"{np.mean(values):.1%}" for values in (honest, alarms, alone)]
    return [name, str(count), *shares, f"{np.mean(hits):.0%}", *(f"{np.mean(x):.0%}" for x in recognised.values())]


def _split(groups: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of training, held-out and other images, of different groups, in random order."""
    order = rng.permutation(np.unique(groups))
    ends = (0, len(order) // 2, len(order) * 3 // 4, len(order))
    train, held_out, others = (
        rng.permutation(np.flatnonzero(np.isin(groups, order[start:end]))) for start, end in pairwise(ends)
    )
    return train[:count], held_out[:MOST_OTHERS], others[:MOST_OTHERS]


def _fault(memory: Memory, real: Memory) -> str:
    """What a training would say of images that are as varied as real ones."""
    return fault_of({**asdict(memory), "diversity": 1.0}, real)


def noisy(pixels: np.ndarray, levels: int, rng: np.random.Generator) -> np.ndarray:
    """Images (N, R, R, C) uint8 with even noise of so many levels up and down."""
    noise = rng.integers(-levels, levels + 1, pixels.shape)
    return np.asarray((pixels.astype(int) + noise).clip(0, 255).astype(np.uint8))


def blurred(pixels: np.ndarray, deviation_px: float) -> np.ndarray:
    """Images (N, R, R, C) uint8, blurred."""
    maps = [Image.fromarray(image[..., c]) for image in pixels for c in range(pixels.shape[3])]
    smooth = [np.asarray(x.filter(ImageFilter.GaussianBlur(deviation_px))) for x in maps]
    return np.stack(smooth).reshape(len(pixels), pixels.shape[3], *pixels.shape[1:3]).transpose(0, 2, 3, 1)


def shifted(pixels: np.ndarray) -> np.ndarray:
    """Images (N, R, R, C) uint8, a pixel to the right; the border goes on."""
    return np.concatenate([pixels[:, :, :1], pixels[:, :, :-1]], axis=2)


ALL = "all three"
CHANGES: Mapping[str, Change] = {
    "mirrored": lambda x, rng: x[:, :, ::-1],
    "noise ±2": lambda x, rng: noisy(x, 2, rng),
    "noise ±5": lambda x, rng: noisy(x, 5, rng),
    "shifted 1 px": lambda x, rng: shifted(x),
    "blur 0.5 px": lambda x, rng: blurred(x, 0.5),
    "blur 1 px": lambda x, rng: blurred(x, 1.0),
    ALL: lambda x, rng: noisy(blurred(shifted(x), 0.5), 2, rng),
}


if __name__ == "__main__":
    main()
