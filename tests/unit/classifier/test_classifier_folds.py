"""Folds of a judge: parts stay whole, labels even, and every image is left out by exactly one cycle."""

import numpy as np

from defectory.datasets.manifest_line import ManifestLine, PictureFile
from services.classifier.data import Part
from services.classifier.training.folds import folds_of, without_fold


def line(number: int, label: str, group: str) -> ManifestLine:
    return ManifestLine(
        file=PictureFile(uri=f"u{number}", sha256=f"{number:064x}", width=1, height=1), label=label, group=group
    )


LINES = [line(i, "good", f"g{i // 3}") for i in range(30)] + [line(100 + i, "bad", "") for i in range(9)]


def test_groups_stay_whole_and_labels_even() -> None:
    folds = np.array(folds_of(LINES, 3))
    for group in range(10):
        assert len(set(folds[3 * group : 3 * group + 3])) == 1
    for part, label in ((folds[:30:3], "good"), (folds[30:], "bad")):
        sizes = np.bincount(part)
        assert sizes.max() - sizes.min() <= 1, label
    assert folds_of(LINES[::-1], 3)[::-1] == folds.tolist()


def test_every_image_is_left_out_by_one_cycle() -> None:
    part = Part(LINES, np.zeros(39, int), {"pixels": np.arange(39)[:, None]})
    parts = {"train": part, "validation": part, "test": part}
    missing = []
    for cycle in range(3):
        left = without_fold(parts, cycle, 3)
        assert left["validation"] is part
        assert [x.file.sha256 for x in left["train"].lines] == [
            LINES[i].file.sha256 for i in left["train"].pixels[:, 0]
        ]
        missing += sorted(set(range(39)) - set(left["train"].pixels[:, 0]))
    assert sorted(missing) == list(range(39))
    assert without_fold(parts, 1, 0) is parts


def test_a_labels_only_part_is_never_left_out() -> None:
    lines = [line(0, "rare", "r"), line(1, "rare", "r"), *LINES]
    assert folds_of(lines, 5)[:2] == [-1, -1]
