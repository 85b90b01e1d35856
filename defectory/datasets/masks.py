"""The pixels of a mask's file: which of them are the defect, whatever the annotation tool wrote for it."""

import numpy as np
from PIL import Image

from defectory.errors import InvalidInput
from defectory.imaging import decoding, put_upright, read_header, scales_in_the_decoder, size_of

_HALF = 127  # of 8 bits: a soft edge is defect above it


def read_mask(data: bytes, width: int, height: int) -> Image.Image:
    """The mask of an upright photograph of width x height px, from its file: "L", 0 for good and 255 for the defect.

    - Grey of 8 bits: what is above 127 is defect; where nothing is, what is above 0: masks of 0 and 1, class numbers.
    - More bits, or two values: what is above 0.
    - Colour (a palette's as well): what is not black, a colour a class. A JPEG's colours are read as grey.
    - Transparent pixels are good. Where only transparency tells pixels apart, what is visible is defect.

    Raises:
        InvalidInput: it cannot be read, or is not of the photograph's size; says both sizes.
    """
    size = size_of(data, upright=True)
    if size != (width, height):
        raise InvalidInput(
            f"the mask is {size[0]}x{size[1]} and its photograph, upright, {width}x{height}: store it in that size"
        )
    opened = read_header(data)
    with decoding(opened):
        faulty = _faulty(opened.numbers(), lossy=scales_in_the_decoder(data))
        mask = Image.fromarray(np.where(faulty, np.uint8(255), np.uint8(0)))
        put_upright(mask, opened.orientation())
    return mask


def _faulty(numbers: np.ndarray, lossy: bool) -> np.ndarray:
    """bool (H, W), from `Opened.numbers`."""
    if numbers.ndim == 2:
        return _bright(numbers)
    colours = numbers[..., : 3 if numbers.shape[2] > 2 else 1]
    brightest = colours.max(axis=-1)
    shown = numbers[..., -1] > 0 if numbers.shape[2] in (2, 4) else np.ones(brightest.shape, bool)
    if not shown.any():
        shown = ~shown  # alpha that nobody filled
    if not brightest.any() and not shown.all():
        return shown
    coloured = not lossy and bool((colours != colours[..., :1]).any())
    marked: np.ndarray = shown & (brightest > 0 if coloured else _bright(np.where(shown, brightest, 0)))
    return marked


def _bright(grey: np.ndarray) -> np.ndarray:
    """Which of the grey pixels are defect."""
    return np.asarray(grey > (_HALF if grey.dtype == np.uint8 and grey.max() > _HALF else 0))
