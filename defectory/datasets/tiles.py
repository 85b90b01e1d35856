"""Overlapping square tiles of a picture: where they lie, and when a photograph should be cut into some."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from defectory.errors import InvalidInput
from defectory.imaging import Fit

MIN_TILE_PX = 8
DEFAULT_OVERLAP, MAX_OVERLAP = 0.25, 0.75
STRIP = 3.0  # longer to shorter side from which no fit to a square is harmless


@dataclass(frozen=True)
class Tiling:
    """How photographs are cut.

    Attributes:
        side_px: of a tile, in pixels of the upright photograph; 0: the photograph's shorter side. A photograph with a
            shorter side below it is cut by that.
        overlap: of neighbours, at least, as a share of the side, in [0, 0.75]. A defect no larger lies whole in one.
    """

    side_px: int = 0
    overlap: float = DEFAULT_OVERLAP

    def check(self) -> None:
        """InvalidInput unless side and overlap can be meant."""
        if self.side_px and self.side_px < MIN_TILE_PX:
            right = f"at least {MIN_TILE_PX} pixels, or 0 for the shorter side"
            raise InvalidInput(f"tile_px is {self.side_px}: use {right}", {"tile_px": right})
        if not 0 <= self.overlap <= MAX_OVERLAP:
            right = f"a share in [0, {MAX_OVERLAP}]"
            raise InvalidInput(f"tile_overlap is {self.overlap}: use {right}", {"tile_overlap": right})


@dataclass(frozen=True)
class Tile:
    """A square of an upright photograph, in its pixels."""

    left: int
    top: int
    side: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom (exclusive)."""
        return self.left, self.top, self.left + self.side, self.top + self.side


def tiles_of(width: int, height: int, tiling: Tiling) -> list[Tile]:
    """The fewest tiles of one size that cover a picture and overlap as wanted, evenly spread, row by row."""
    shorter = min(width, height)
    side = min(tiling.side_px or shorter, shorter)
    return [
        Tile(left, top, side)
        for top in _starts(height, side, tiling.overlap)
        for left in _starts(width, side, tiling.overlap)
    ]


def strip_warning(sizes: Sequence[tuple[int, int]], fit: Fit) -> str:
    """What becomes of photographs (width, height) that are far from square, and what to do; "": there are none."""
    ratios = [max(size) / min(size) for size in sizes]
    strips = [ratio for ratio in ratios if ratio > STRIP]
    if not strips:
        return ""
    longest = max(strips)
    becomes, remedy = {
        "stretch": (f"a stretch makes the longest {longest:.0f} times as thick as it is", "--fit pad or crop keeps it"),
        "crop": (f"a crop keeps {1 / longest:.0%} of the longest", "--fit pad keeps all of it, but small"),
        "pad": (f"{1 / longest:.0%} of the square is left to the longest", "--fit crop keeps its middle"),
    }[fit]
    return (
        f"{len(strips)} of {len(sizes)} photographs are longer than {STRIP:.0f}:1 (up to {longest:.0f}:1): {becomes}; "
        f"{remedy}, and --tile cuts such photographs into squares"
    )


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    step = max(1, math.floor(side * (1 - overlap)))
    steps = math.ceil((length - side) / step)
    return [round(number * (length - side) / steps) for number in range(steps + 1)]
