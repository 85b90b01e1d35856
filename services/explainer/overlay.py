"""Pictures of explanations: the heatmap by itself, the image under it with boxes and a legend, contact sheets."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from defectory.imaging import Fit, encode_png
from defectory.imaging.sheet import contact_sheet
from defectory.lettering import Lettering
from services.explainer.boxes import Box, hot

OPACITY = 0.45  # of the colours: the same for all heat, so that a colour means what the legend says
ROWS = 64  # blended at once
VIEW_PX = 256  # small images are shown at least this large
BOX_COLOUR = (255, 255, 255)
LETTERS_PX, LINE_PX, LINES = 14, 18, 3  # of the legend, which is read where the picture is shown smaller, too
LEGEND_PX = LINES * LINE_PX + 4
SHEET_LETTERS_PX = 11
TILE_PX, GAP_PX, TITLE_PX = 192, 6, 18


def enlarge(heat: np.ndarray, width: int, height: int) -> np.ndarray:
    """A heatmap of the target layer's size, bilinear at the image's size, still in [0, 1]."""
    enlarged: np.ndarray = np.clip(
        cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR), 0, 1
    )
    return enlarged


def onto_picture(heat: np.ndarray, width: int, height: int, fit: Fit) -> np.ndarray:
    """Heat of what the network saw, on the picture that was made square for it: float32 (height, width) in [0, 1].

    Args:
        fit: how it became square. What a crop cut off has no heat; heat on the border of a pad is left out.
    """
    if fit == "stretch" or width == height:
        return enlarge(heat, width, height)
    side = min(width, height) if fit == "crop" else max(width, height)
    square = enlarge(heat, side, side)
    left, top = abs(width - side) // 2, abs(height - side) // 2
    if fit == "pad":
        return square[top : top + height, left : left + width]
    picture = np.zeros((height, width), np.float32)
    picture[top : top + side, left : left + side] = square
    return picture


def heatmap_png(heatmap: np.ndarray) -> bytes:
    """8-bit grey, 255 where it is highest."""
    return encode_png(np.round(heatmap * 255).astype(np.uint8))


def overlay(image: np.ndarray, heatmap: np.ndarray, boxes: Sequence[Box], threshold: float) -> np.ndarray:
    """The RGB image (uint8 (height, width, 3)) under its heat, with boxes; enlarged to be seen.

    Coloured is what the boxes surround, and nothing else: colours that fade with the heat would leave boxes that look
    empty.

    Args:
        threshold: the heat from which on a pixel belongs to a box.
    """
    blended = np.empty_like(image)
    for start in range(0, len(image), ROWS):  # a block of rows at a time, which bounds what floats take
        rows = slice(start, start + ROWS)
        weight = (OPACITY * hot(heatmap[rows], threshold))[..., None]
        blended[rows] = np.round(image[rows] * (1 - weight) + coloured(heatmap[rows]) * weight)
    scale = max(1, -(-VIEW_PX // max(image.shape[:2])))
    size = (image.shape[1] * scale, image.shape[0] * scale)
    view = cv2.resize(blended, size, interpolation=cv2.INTER_CUBIC) if scale > 1 else blended
    for box in boxes:
        corners = (box.x * scale, box.y * scale), ((box.x + box.width) * scale - 1, (box.y + box.height) * scale - 1)
        cv2.rectangle(view, *corners, (0, 0, 0), 3)
        cv2.rectangle(view, *corners, BOX_COLOUR, 1)
    return view


def coloured(heatmap: np.ndarray) -> np.ndarray:
    """Heat in [0, 1] as colours, uint8 (…, 3): blue for none, red for the most."""
    levels = np.round(heatmap * 255).astype(np.uint8)
    colours: np.ndarray = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    return colours


def overlay_png(image: np.ndarray, heatmap: np.ndarray, boxes: Sequence[Box], threshold: float, caption: str) -> bytes:
    """The overlay above a legend: what is explained, and which colour means how much heat.

    The legend begins at the threshold, as the colours do. Beside a picture that is narrower than it is white.
    """
    view = overlay(image, heatmap, boxes, threshold)
    height, width = len(view), max(view.shape[1], VIEW_PX)
    sheet = Image.new("RGB", (width, height + LEGEND_PX), "white")
    sheet.paste(Image.fromarray(view))
    pen, lettering = ImageDraw.Draw(sheet), Lettering(LETTERS_PX)
    _write(pen, lettering, height, lettering.wrapped(caption, width - 8)[: LINES - 1])
    least, most = f"heat {threshold:.0%}", "100%"
    left, right = (round(lettering.width(word)) + 10 for word in (least, most))
    top = height + (LINES - 1) * LINE_PX + 2
    bar = coloured(np.tile(np.linspace(threshold, 1, max(1, width - left - right), dtype=np.float32), (10, 1)))
    sheet.paste(Image.fromarray(bar), (left, top + 4))
    lettering.draw(pen, 4, top, least)
    lettering.draw(pen, width - right + 6, top, most)
    return encode_png(sheet)


def _write(pen: ImageDraw.ImageDraw, lettering: Lettering, top: int, lines: Sequence[str]) -> None:
    """Lines of a legend that begins at this height."""
    for number, line in enumerate(lines):
        lettering.draw(pen, 4, top + 2 + LINE_PX * number, line)


def without_heat(image: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """The RGB image (uint8 (height, width, 3)) in grey, enlarged to be seen, above why it has no heat.

    Args:
        lines: wrapped where they are longer than the picture is wide, or VIEW_PX where it is narrower.
            What needs more than LINES is cut off.
    """
    scale = max(1, -(-VIEW_PX // max(image.shape[:2])))
    grey = Image.fromarray(image).convert("L").convert("RGB").resize((image.shape[1] * scale, image.shape[0] * scale))
    sheet = Image.new("RGB", (max(grey.width, VIEW_PX), grey.height + LEGEND_PX), "white")
    sheet.paste(grey)
    pen, lettering = ImageDraw.Draw(sheet), Lettering(LETTERS_PX)
    wrapped = [part for line in lines for part in lettering.wrapped(line, sheet.width - 8)]
    _write(pen, lettering, grey.height, wrapped[:LINES])
    return np.asarray(sheet)


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """A picture (uint8 (height, width, 3)) as a contact sheet shows it: its longer side is TILE_PX."""
    tile = Image.fromarray(picture)
    tile.thumbnail((TILE_PX, TILE_PX))
    if max(tile.size) < TILE_PX:
        scale = TILE_PX / max(tile.size)
        tile = tile.resize((round(tile.width * scale), round(tile.height * scale)), Image.Resampling.BICUBIC)
    return np.asarray(tile)


def titled_sheet(rows: Sequence[tuple[str, Sequence[np.ndarray]]], titles: Sequence[str]) -> bytes:
    """A contact sheet as PNG: a row a subject with its caption, a column a title.

    Args:
        rows: (caption, one thumbnail a column).
    """
    step = TILE_PX + GAP_PX
    tiles = [tile for _, pictures in rows for tile in pictures]
    tiled = contact_sheet(tiles, len(titles), tile_px=(TILE_PX, TILE_PX), gap_px=GAP_PX, above_px=TITLE_PX, ground=255)
    around = ((TITLE_PX, GAP_PX), (GAP_PX, GAP_PX), (0, 0))
    sheet = Image.fromarray(np.pad(tiled, around, constant_values=255))
    pen, lettering = ImageDraw.Draw(sheet), Lettering(SHEET_LETTERS_PX)
    for column, title in enumerate(titles):
        lettering.draw(pen, GAP_PX + column * step, 3, lettering.fitting(title, TILE_PX))
    for number, (caption, _) in enumerate(rows):
        top = TITLE_PX + number * (step + TITLE_PX)
        lettering.draw(pen, GAP_PX, top + 3, lettering.fitting(caption, sheet.width - 2 * GAP_PX))
    return encode_png(sheet)
