"""Masks that are outlines or run lengths in a file of annotations, as COCO writes them."""

from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from defectory.errors import InvalidInput


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
        from pycocotools import mask as coco

        try:
            runs = self.segmentation
            if isinstance(runs, list):
                runs = coco.frPyObjects(runs, height, width)
            elif isinstance(runs["counts"], list):
                if min(runs["counts"]) < 0 or sum(runs["counts"]) != height * width:
                    raise ValueError(f"its counts are not those of {width}x{height} pixels")
                runs = [coco.frPyObjects(runs, *runs["size"])]
            else:
                runs = [runs]
            pixels = reduce(np.maximum, [coco.decode(run) for run in runs])
        except Exception as error:  # a parser fed with foreign values can raise anything
            raise InvalidInput(f"{self.path} holds a segmentation that cannot be read: {error}") from error
        if pixels.shape != (height, width):
            own = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise InvalidInput(f"{self.path} holds run lengths of {own}, and the picture is {width}x{height}")
        return Image.fromarray(pixels * np.uint8(255))
