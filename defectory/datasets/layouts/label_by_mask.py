"""Photographs whose label is read off their masks: a black one means a good part."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import LeftOut, SourceFile
from defectory.datasets.masks import read_mask
from defectory.errors import DefectoryError
from defectory.imaging import size_of

GOOD, DEFECT = "good", "defect"
NO_MASK = "no mask beside it says whether the part is good"
UNREADABLE = "its mask cannot be read, so its label is not known"
_WORKERS = 4


def label_by_mask(
    root: Path, pairs: Iterable[tuple[str, str]], place: Callable[[str, str, MaskFile], SourceFile]
) -> tuple[tuple[SourceFile, ...], tuple[LeftOut, ...]]:
    """Label photographs by the pixels of their masks.

    Args:
        pairs: (photograph, its mask or ""), relative to the root.
        place: makes a file out of photograph, label and mask, with its split and group.
    """
    pairs = list(pairs)
    with ThreadPoolExecutor(_WORKERS) as pool:  # decoding leaves Python's lock
        looks = list(pool.map(lambda pair: _is_black(root / pair[1]) if pair[1] else None, pairs))
    files, left_out = [], []
    for (photograph, mask), look in zip(pairs, looks, strict=True):
        if isinstance(look, bool):
            files.append(place(photograph, GOOD if look else DEFECT, MaskFile(mask)))
        else:
            left_out.append(LeftOut(photograph, UNREADABLE if mask else NO_MASK))
    return tuple(files), tuple(left_out)


def _is_black(path: Path) -> bool | None:
    """Whether a mask marks nothing; None where it cannot be read."""
    try:
        data = path.read_bytes()
        return read_mask(data, *size_of(data, upright=True)).getbbox() is None
    except (DefectoryError, OSError):
        return None
