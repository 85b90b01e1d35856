"""The regions of a mask: a defect's pieces, each with where it lies and how much it covers."""

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.edits.blending import REACH_PX

LEAST_PIXELS = 12  # of a region: a speck of fewer is a slip of the pen
LEAST_OF_LARGEST = 0.05  # share of a mask's largest region; what is smaller are crumbs of it


@dataclass(frozen=True)
class Region:
    """A connected piece of a mask.

    Attributes:
        number: among its mask's regions, the largest first.
        left, top, width, height: of the box around it, px.
        pixels: that it covers.
        share: of its picture's pixels, in (0, 1].
        centre: of the box, as shares (x, y) of the picture's width and height.
        cut_off: it, or what is shown around it elsewhere, reaches the picture's border: nobody knows how it goes on.
    """

    number: int
    left: int
    top: int
    width: int
    height: int
    pixels: int
    share: float
    centre: tuple[float, float]
    cut_off: bool


def regions_of(mask: np.ndarray) -> list[Region]:
    """The regions of a mask, bool (H, W), the largest first; none of specks."""
    height, width = mask.shape
    _, _, rows, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    boxes = sorted(map(tuple, rows[1:].tolist()), key=lambda row: (-row[4], row[:4]))
    least = max(LEAST_PIXELS, LEAST_OF_LARGEST * boxes[0][4]) if boxes else 0
    return [
        Region(
            number, left, top, across, down, pixels, pixels / mask.size,
            ((left + across / 2) / width, (top + down / 2) / height),
            min(left, top, width - left - across, height - top - down) < REACH_PX,
        )
        for number, (left, top, across, down, pixels) in enumerate(boxes)
        if pixels >= least
    ]  # fmt: skip


def only(mask: np.ndarray, region: Region) -> np.ndarray:
    """The mask without its other regions, bool (H, W)."""
    _, areas, rows, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    wanted = (region.left, region.top, region.width, region.height, region.pixels)
    return np.asarray(areas == 1 + rows[1:].tolist().index(list(wanted)))
