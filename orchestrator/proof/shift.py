"""A shift between training and test: in every fold one level of a column (an exposure, a lot, a week) is left out.

Gains are known to show first where the line is not as it was when the photographs were taken.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from defectory.datasets.layouts.delimited import read_text, rows
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import InvalidInput
from orchestrator.proof.spec import ExperimentSpec

IMAGE = ("image", "file", "path", "filename", "file_name", "filepath", "image_path")


def levels_of(spec: ExperimentSpec) -> dict[str, str]:
    """Photograph, as its dataset's lines call its source -> level; empty where the spec names no column.

    Raises:
        NotFound, InvalidInput: the table of groups is not there, lacks the column, or has one level only.
    """
    if not spec.shift or spec.data.groups is None:
        return {}
    table = Path(spec.data.groups)
    column = spec.shift.lower()
    levels = {}
    for _, row in rows(read_text(table), str(table), (IMAGE, (column,))):
        name = next(row[key] for key in IMAGE if key in row)
        if row[column]:
            levels[name.replace("\\", "/")] = row[column]
    if len(set(levels.values())) < 2:
        right = "name one with two levels or more"
        raise InvalidInput(f"{table} has no two levels in its column {spec.shift!r}: {right}", {"shift": right})
    return levels


def left_out(levels: Mapping[str, str], fold: int) -> str:
    """The level of a fold, counted from 1: the most frequent ones in turn; "" where there are none."""
    ordered = [level for level, _ in sorted(Counter(levels.values()).items(), key=lambda item: (-item[1], item[0]))]
    return ordered[(fold - 1) % len(ordered)] if ordered else ""


def shifted(lines: Sequence[ManifestLine], levels: Mapping[str, str], level: str, good: str) -> list[str]:
    """SHA-256 of the photographs of a fold that go: the level in training and validation, all others in the test.

    Raises:
        InvalidInput: nothing can be compared on what is left of a split: test or validation has no good or no defective
            photograph, or training lacks a label.
    """
    of_level = {line.file.sha256 for line in lines if levels.get(line.origin.source) == level}
    used = [line for line in lines if line.split != "none"]
    gone = [line for line in used if (line.split == "test") != (line.file.sha256 in of_level)]
    left = {line.file.sha256 for line in used} - {line.file.sha256 for line in gone}
    every = {line.label for line in used}
    for split in ("train", "validation", "test"):
        there = {line.label for line in used if line.split == split and line.file.sha256 in left}
        if not (there == every if split == "train" else good in there and there > {good}):
            side = "of" if split == "test" else "without"
            right = "use fewer folds, or another column"
            raise InvalidInput(
                f"{side} the level {level!r} a fold's {split} split has photographs of "
                f"{' and '.join(sorted(there)) or 'no label'} alone: {right}",
                {"shift": right},
            )
    return [line.file.sha256 for line in gone]
