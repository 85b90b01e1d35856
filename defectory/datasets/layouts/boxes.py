"""Masks that are boxes in a VOC annotation, filled."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from defectory.errors import InvalidInput

Box = tuple[float, float, float, float]  # xmin, ymin, xmax, ymax


@dataclass(frozen=True)
class Boxes:
    """Boxes as VOC counts them: pixels from 1, and the last column and row belong to the box."""

    path: str  # of the annotation
    boxes: tuple[Box, ...]
    size: tuple[int, int]  # width and height that the annotation gives the picture, px; 0: it does not say

    def draw(self, root: Path, width: int, height: int) -> Image.Image:
        """See `MaskSource.draw`."""
        if all(self.size) and self.size != (width, height):
            raise InvalidInput(
                f"{self.path} is about a picture of {self.size[0]}x{self.size[1]}, and this one is {width}x{height}"
            )
        mask = Image.new("L", (width, height))
        pen = ImageDraw.Draw(mask)
        for left, top, right, bottom in self.boxes:
            if not (0 <= left <= right <= width and 0 <= top <= bottom <= height):
                raise InvalidInput(
                    f"{self.path}: the box {left:g}, {top:g}, {right:g}, {bottom:g} is not inside {width}x{height}"
                )
            pen.rectangle((max(0, round(left) - 1), max(0, round(top) - 1), round(right) - 1, round(bottom) - 1), 255)
        return mask
