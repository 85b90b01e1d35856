"""Folders that are a part of a data set: what to give instead."""

from pathlib import Path

from defectory.errors import InvalidInput


def part_of(root: Path, what: str, whole: Path) -> InvalidInput:
    """The error for a folder that holds a part of a data set.

    Args:
        what: it is, as the end of a sentence.
        whole: the folder to give.
    """
    right = f"give {whole}"
    return InvalidInput(f"{root} is {what}: {right}", {"directory": right})
