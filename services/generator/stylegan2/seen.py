"""Which pixels of the input each pixel of the output sees, tap by tap: tables that loops over rows of channels go by.

One image's, for pixels counted row by row; -1 stands for what lies outside, where all is zero. Tables are kept, for a
network has few shapes.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from services.generator.stylegan2.matrices import TAPS

SHAPES = 128  # of images, whose tables are kept


class Seen(NamedTuple):
    """What some pixels of the output see, through some taps, which are counted row by row."""

    taps: Tensor  # (T,) int64
    pixels: Tensor  # (P,) int64, of the output
    sources: Tensor  # (T, P) int64, of the input


def addresses(seen: Seen) -> dict[str, int]:
    """For a task's fields."""
    given = {name: tensor.data_ptr() for name, tensor in zip(seen._fields, seen, strict=True)}
    return {**given, "tap_count": len(seen.taps), "pixel_count": len(seen.pixels)}


def neighbours(height: int, width: int) -> tuple[Seen, ...]:
    """3x3 taps, zeros around: every pixel sees its neighbours."""
    return strided((height, width), TAPS, 1, 1)


def halving(height: int, width: int) -> tuple[Seen, ...]:
    """3x3 taps: (i, j) of a low resolution (H, W) sees (2i + r, 2j + s) of the high one (2H + 1, 2W + 1)."""
    return strided((2 * height + 1, 2 * width + 1), TAPS, 2, 0)


def doubling(height: int, width: int) -> tuple[Seen, ...]:
    """The transpose of `halving`."""
    return transposed((2 * height + 1, 2 * width + 1), TAPS, 2, 0)


@lru_cache(SHAPES)
def strided(size: tuple[int, int], side: int, stride: int, padding: int) -> tuple[Seen, ...]:
    """What conv2d's output sees of an input (H, W), through side x side taps."""
    height, width = size
    rows, columns = ((length + 2 * padding - side) // stride + 1 for length in size)
    i, j = _grid(range(rows), range(columns))
    sources = [_at(stride * i + r - padding, stride * j + s - padding, height, width) for r, s in _places(side)]
    return (Seen(torch.arange(side**2), i * columns + j, torch.stack(sources)),)


@lru_cache(SHAPES)
def transposed(size: tuple[int, int], side: int, stride: int, padding: int) -> tuple[Seen, ...]:
    """The transpose of `strided`: what each pixel of that input (H, W) sees of the output.

    Of each residue by the stride the pixels see through the same taps.
    """
    height, width = size
    rows, columns = ((length + 2 * padding - side) // stride + 1 for length in size)
    parts = []
    for odd_row, odd_column in _places(stride):
        i, j = _grid(range(odd_row, height, stride), range(odd_column, width, stride))
        taps, sources = [], []
        for r, s in _places(side):
            if (odd_row + padding - r) % stride == 0 and (odd_column + padding - s) % stride == 0:
                taps.append(side * r + s)
                sources.append(_at((i + padding - r) // stride, (j + padding - s) // stride, rows, columns))
        parts.append(Seen(torch.tensor(taps), i * width + j, torch.stack(sources)))
    return tuple(parts)


def _at(row: Tensor, column: Tensor, height: int, width: int) -> Tensor:
    outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
    return torch.where(outside, -1, row * width + column)


def _places(side: int) -> Iterator[tuple[int, int]]:
    return ((r, s) for r in range(side) for s in range(side))


def _grid(rows: range, columns: range) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel, flat."""
    i, j = torch.meshgrid(torch.tensor(rows), torch.tensor(columns), indexing="ij")
    return i.flatten(), j.flatten()
