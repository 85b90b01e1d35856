"""Where crops are cut out of a photograph: squares around the regions of its mask, and squares of its surface."""

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from orchestrator.edits.blending import REACH_PX
from orchestrator.edits.regions import Region, only

PER_REGION = 4  # crops of a region that fits into one, each elsewhere in its square; of a longer one more, along it
ASIDE = 0.125  # of the square's side, by which a crop of a longer region is moved off the pixel that it is centred on

Window = tuple[int, int]  # left, top, px


def side_of(longer_sides_px: Sequence[int], least_px: int) -> int:
    """Side of the square crops in pixels: most defects fit into it, with what is shown around them where they are set.

    Args:
        longer_sides_px: of the boxes of all regions. least_px: the generator's own resolution.
    """
    return max(least_px, math.ceil(float(np.median(longer_sides_px)) + 2 * REACH_PX))


def around(mask: np.ndarray, region: Region, side_px: int, random: np.random.Generator) -> Iterator[Window]:
    """Squares around a region, or pieces of it where it is longer than they are; all within the photograph.

    Args:
        mask: bool (H, W), of all regions, at least side_px wide and high.
    """
    fits = max(region.width, region.height) + 2 * REACH_PX <= side_px
    rows, columns = np.nonzero(only(mask, region))
    longer = max(region.width, region.height)
    for _ in range(PER_REGION if fits else max(PER_REGION, math.ceil(PER_REGION * longer / side_px))):
        pixel = int(random.integers(len(rows)))
        left = _start(region.left, region.width, int(columns[pixel]), side_px, mask.shape[1], random)
        top = _start(region.top, region.height, int(rows[pixel]), side_px, mask.shape[0], random)
        yield left, top


def _start(first: int, extent: int, at: int, side_px: int, length: int, random: np.random.Generator) -> int:
    """Where a square begins on an axis; a region covers `extent` px from `first` on, of which `at` is one."""
    if extent + 2 * REACH_PX <= side_px:
        begin = int(random.integers(math.ceil(first + extent + REACH_PX) - side_px, math.floor(first - REACH_PX) + 1))
    else:
        begin = round(at - side_px / 2 + side_px * random.uniform(-ASIDE, ASIDE))
    return min(max(begin, 0), length - side_px)


def of_surface(part: np.ndarray, side_px: int, count: int, random: np.random.Generator) -> list[Window]:
    """At most so many squares that show the part alone.

    Args:
        part: bool (H, W), which pixels show it.
    """
    if min(part.shape) < side_px:
        return []
    sums = cv2.integral((~part).astype(np.uint8))
    beside = (
        sums[side_px:, side_px:] - sums[:-side_px, side_px:] - sums[side_px:, :-side_px] + sums[:-side_px, :-side_px]
    )
    tops, lefts = np.nonzero(beside == 0)
    if not len(tops):
        return []
    chosen = random.integers(len(tops), size=count)
    return [(int(lefts[index]), int(tops[index])) for index in chosen]
