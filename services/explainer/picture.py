"""A file read once: what the network sees of it, and what people are shown of it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from defectory.imaging import decode, scales_in_the_decoder, size_of
from defectory.serving import admission
from services.classifier.card import Preprocessing

# Longest side of what is shown: heat of a few cells has no finer detail, and 100 megapixels cost gigabytes.
SHOWN_PX = 2048


@dataclass(frozen=True)
class Picture:
    """One image.

    Attributes:
        pixels: uint8 (size, size, 3), the network's input, to the last bit as it is served.
        shown: uint8 (height, width, 3), upright, no side above SHOWN_PX.
        enlargement: (across, down) pixels of the file's image a pixel of `shown`, at least 1.
    """

    pixels: np.ndarray
    shown: np.ndarray
    enlargement: tuple[float, float]


def read_picture(data: bytes, preprocessing: Preprocessing, size_px: int) -> Picture:
    """Read PNG, JPEG, BMP or TIFF; InvalidInput for what is no image that can be read."""
    if scales_in_the_decoder(data):  # a JPEG comes out of the decoder smaller, for the network as when it is served
        pixels = preprocessing.input_of(data, size_px)
        image = decode(data, needed_px=SHOWN_PX)
        size = size_of(data, upright=True)
    else:
        image = decode(data, bits=preprocessing.bits)
        pixels = preprocessing.input_of_image(image, size_px)
        size = image.size
    width, height = shown_size(*size)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return Picture(pixels, np.asarray(image.convert("RGB")), (size[0] / width, size[1] / height))


def shown_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) at which an image of this size is shown."""
    scale = min(1.0, SHOWN_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def megapixels(data: bytes) -> float:
    """Millions of pixels that a file counts for by its header, at least 1: small images cost something too."""
    return max(1.0, admission.megapixels(*size_of(data)))


def size_in_words(data: bytes) -> str:
    """How large a file's picture is by its header, for a person."""
    return "{}x{} pixels".format(*size_of(data))
