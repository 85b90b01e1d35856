"""An image of any shape as the square that a network wants."""

from typing import Literal

import numpy as np
from PIL import Image

from defectory.errors import InvalidInput

Fit = Literal["stretch", "crop", "pad"]

_LONG_PX = 65_535  # a side beyond which the order of a resize's passes is chosen by their cost


def to_square(image: Image.Image, size_px: int, fit: Fit = "stretch", *, mask: bool = False) -> Image.Image:
    """Bring an image to size_px x size_px.

    Args:
        image: "L", "RGB" or "RGBA".
        size_px: side of the result, at least 1.
        fit: "stretch" changes the aspect ratio, "crop" keeps the central square, "pad" adds a border of the median
            colour of the image's own edge (black for masks).
        mask: take the nearest pixel instead of an antialiased mean, so that no new values appear.

    Raises:
        InvalidInput: size or fit are not among these.
    """
    if size_px < 1:
        raise InvalidInput(f"size_px is {size_px}; it must be at least 1", {"size_px": "at least 1"})
    resampling = Image.Resampling.NEAREST if mask else Image.Resampling.LANCZOS
    width, height = image.size
    if fit == "stretch":
        return stretched(image, size_px, resampling)
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return image.resize((size_px, size_px), resampling, box=(left, top, left + side, top + side))
    if fit == "pad":
        scale = size_px / max(width, height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        square = Image.new(image.mode, (size_px, size_px), 0 if mask else _edge_colour(image))
        square.paste(image.resize(inner, resampling), ((size_px - inner[0]) // 2, (size_px - inner[1]) // 2))
        return square
    raise InvalidInput(f"fit is {fit!r}; use stretch, crop or pad", {"fit": "stretch, crop or pad"})


def stretched(image: Image.Image, size_px: int, resampling: Image.Resampling) -> Image.Image:
    """Stretched to a square. Pillow widens first, which makes a very tall, narrow image many times larger."""
    if image.height > _LONG_PX and image.width < size_px:
        image = image.resize((image.width, size_px), resampling)
    return image.resize((size_px, size_px), resampling)


def _edge_colour(image: Image.Image) -> int | tuple[int, ...]:
    """Median colour of the outermost pixels."""
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median = np.median(edge, axis=0)
    return int(median) if median.ndim == 0 else tuple(int(v) for v in median)
