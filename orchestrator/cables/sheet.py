"""A contact sheet of drawn cables: a row a kind, its faults outlined."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from orchestrator.cables.drawing import KINDS, Drawing, draw_cable

MARGIN_PX, CAPTION_PX = 6, 18
OUTLINE_RGB = (255, 60, 60)


def draw_sheet(columns: int = 6, size_px: int = 192, seed: int = 0, outlines: bool = True) -> Image.Image:
    """A sheet with a captioned row of so many cables for every kind."""
    cell = size_px + MARGIN_PX
    row_height = cell + CAPTION_PX
    sheet = Image.new("RGB", (columns * cell + MARGIN_PX, len(KINDS) * row_height + MARGIN_PX), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for row, kind in enumerate(KINDS):
        top = MARGIN_PX + row * row_height
        pen.text((MARGIN_PX, top), kind.replace("_", " "), fill="black", font=font)
        for column in range(columns):
            drawing = draw_cable(seed + row * columns + column, kind, size_px)
            picture = _outlined(drawing) if outlines else drawing.image
            sheet.paste(Image.fromarray(picture), (MARGIN_PX + column * cell, top + CAPTION_PX))
    return sheet


def write_sheet(path: Path, columns: int = 6, size_px: int = 192, seed: int = 0, outlines: bool = True) -> None:
    """Write the sheet as an image file of the path's type."""
    draw_sheet(columns, size_px, seed, outlines).save(path)


def _outlined(drawing: Drawing) -> NDArray[np.uint8]:
    """The picture with a line around what is wrong."""
    wider = cv2.dilate(drawing.mask, np.ones((5, 5), dtype=np.uint8))
    contours, _ = cv2.findContours(wider, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    picture = drawing.image.copy()
    cv2.drawContours(picture, contours, -1, OUTLINE_RGB, 1)
    return picture
