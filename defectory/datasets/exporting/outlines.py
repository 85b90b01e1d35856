"""Masks as the numbers that annotation formats write: run lengths, boxes, polygons."""

from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """COCO's run lengths of a mask, bool (H, W), packed: {"size": [H, W], "counts": "…"}."""
    packed = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(mask.shape), "counts": packed["counts"].decode()}


def box(mask: np.ndarray) -> list[int]:
    """[left, top, width, height] in px of a mask, bool (H, W), that holds something."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [int(v) for v in (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)]


def polygons(mask: np.ndarray) -> list[np.ndarray]:
    """Outer outlines of a mask's components, each (N >= 4, 2) of x, y in [0, 1] of width and height; holes are lost.

    They run around the pixels, not through their centres, so that a part of one pixel has an area.
    """
    # OpenCV's outlines run through the centres of pixels. At twice the size, and a pixel wider to the right and below,
    # those centres are the corners of the mask's own pixels.
    doubled = np.pad(np.kron(mask.astype(np.uint8), np.ones((2, 2), np.uint8)), ((0, 1), (0, 1)))
    doubled[1:] |= doubled[:-1].copy()
    doubled[:, 1:] |= doubled[:, :-1].copy()
    outlines, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    height, width = mask.shape
    return [outline[:, 0] / (2.0 * width, 2.0 * height) for outline in outlines]
