"""What a classifier sees of a picture: one way, in training, served and explained."""

import numpy as np
from PIL import Image

from defectory.depth import FULL_DEPTH
from defectory.imaging.eight_bits import decode
from defectory.imaging.opened import MAX_PIXELS, Opened
from defectory.imaging.square import Fit, stretched, to_square


def network_input_of(
    data: bytes | Opened,
    size_px: int,
    max_pixels: int = MAX_PIXELS,
    *,
    square_px: int = 0,
    fit: Fit = "stretch",
    bits: int = FULL_DEPTH,
) -> np.ndarray:
    """What a classifier sees of a file's bytes, in training, served and explained: RGB uint8 (size, size, 3).

    Args:
        data: as `decode` takes it.
        square_px: side of the square that pictures come through first; one that is such a square already stays as it
            is. 0: nothing is known of it, the image is stretched.
        fit: how a picture becomes square.
        bits: that the values of 16-bit files use.

    Raises:
        InvalidInput: as `decode`.
    """
    image = decode(data, max_pixels, needed_px=square_px or size_px, bits=bits)
    return network_input(image, size_px, square_px=square_px, fit=fit)


def network_input(image: Image.Image, size_px: int, *, square_px: int = 0, fit: Fit = "stretch") -> np.ndarray:
    """What a classifier sees of a decoded image: RGB uint8 (size, size, 3), made square first, resized bilinearly."""
    if square_px:
        image = to_square(image, square_px, fit)
    if image.size != (size_px, size_px):
        image = stretched(image, size_px, Image.Resampling.BILINEAR)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)
