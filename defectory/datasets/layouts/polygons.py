"""Masks that are outlines or run lengths in a file of annotations, as COCO writes them."""

from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from defectory.errors import InvalidInput

CORNERS = 256  # of an ellipse's polygon: of 2000 px across it lies nowhere a tenth of a pixel off


@dataclass(frozen=True)
class Outline:
    """COCO's `segmentation` of one annotation: polygons [[x, y, x, y, …], …], or run lengths {size, counts}.

    Run lengths go down the columns. Their counts are a list, or the text that pycocotools packs them into.
    """

    path: str  # of the file of annotations
    segmentation: Any
    size: tuple[int, int]  # width and height that the file gives the picture, px; 0: it does not say

    def draw(self, root: Path, width: int, height: int) -> Image.Image:
        """See `MaskSource.draw`."""
        if self.size != (width, height) and all(self.size):
            raise InvalidInput(
                f"{self.path} says that the picture is {self.size[0]}x{self.size[1]}, and it is {width}x{height}"
            )
        try:
            pixels = _drawn(self.segmentation, width, height)
        except Exception as error:  # a parser fed with foreign values can raise anything
            raise InvalidInput(f"{self.path} holds a segmentation that cannot be read: {error}") from error
        return Image.fromarray(pixels * np.uint8(255))


def _drawn(segmentation: Any, width: int, height: int) -> np.ndarray:
    """uint8 (H, W), 1 for faulty. ValueError and others where the values are not what they should be.

    pycocotools reserves memory by sizes and corners as it is given them, and checks neither: those far outside of the
    picture end the process.
    """
    from pycocotools import mask as coco

    if isinstance(segmentation, list):
        for polygon in segmentation:
            corners, far = np.asarray(polygon, float), max(width, height)
            if corners.ndim != 1 or not ((corners >= -far) & (corners <= 2 * far)).all():
                raise ValueError(f"a corner lies far outside the picture of {width}x{height}, or is no number")
        runs = coco.frPyObjects(segmentation, height, width)
    else:
        if list(segmentation["size"]) != [height, width]:
            own = "x".join(str(side) for side in reversed(segmentation["size"]))
            raise ValueError(f"its run lengths are of {own}, and the picture is {width}x{height}")
        counts = segmentation["counts"]
        if isinstance(counts, list):
            if min(counts) < 0 or sum(counts) != height * width:
                raise ValueError(f"its counts are not those of {width}x{height} pixels")
            segmentation = coco.frPyObjects(segmentation, height, width)
        runs = [segmentation]
    return reduce(np.maximum, [coco.decode(run) for run in runs])


def ellipse(centre: tuple[float, float], radii: tuple[float, float], degrees: float) -> list[float]:
    """An ellipse as a polygon x, y, x, y, …

    Args:
        centre, radii: across and down, px. degrees: by which it is turned clockwise around its centre.
    """
    at = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    turn = np.radians(degrees)
    x, y = radii[0] * np.cos(at), radii[1] * np.sin(at)
    across, down = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    corners: list[float] = np.stack([centre[0] + across, centre[1] + down], axis=1).ravel().tolist()
    return corners
