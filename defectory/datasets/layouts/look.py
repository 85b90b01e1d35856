"""What a file holds at a glance: a photograph, or the few grey levels of a mask."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from defectory.datasets.layouts.tree import MAX_FILE_BYTES
from defectory.errors import DefectoryError
from defectory.imaging import decode, largest_value, scales_in_the_decoder
from defectory.imaging.samples import bits_used

_SIDE = 512  # px: as many rows and columns are looked at
_CLASSES = 16  # values in a mask of class numbers, at most …
_DARK = 31  # … and none above this one
_BLUR = 16  # grey levels that JPEG moves the black and white of a mask by
_BLURRED = 0.98  # share of pixels near black and white from which a JPEG is a mask


@dataclass(frozen=True)
class Look:
    """What was seen of a file.

    A mask has two values, or is a palette or a few class numbers on black. A blank is black all over: the mask of a
    good part, or a photograph in the dark.
    """

    kind: Literal["photograph", "mask", "blank"]
    size: tuple[int, int]  # px, upright


def look_at(path: Path) -> Look | None:
    """Look at a file; None where it cannot be read, which is said when it is ingested."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return None
        data = path.read_bytes()
        image = decode(data, bits=bits_used(largest_value(data) or 0))  # else 12 bits are as dark as class numbers
    except (DefectoryError, OSError):
        return None
    step = max(1, min(image.size) // _SIDE)
    pixels = np.asarray(image)[::step, ::step]
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    grey = bool((pixels == pixels[..., :1]).all())
    if scales_in_the_decoder(data):
        return Look(_of_jpeg(pixels[..., 0]) if grey else "photograph", image.size)
    colours = np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)
    few = len(colours) <= _CLASSES and (_has_palette(data) or (grey and colours.max() <= _DARK))
    if len(colours) == 1:
        return Look("blank" if colours.max() == 0 else "photograph", image.size)
    return Look("mask" if len(colours) == 2 or few else "photograph", image.size)


def _of_jpeg(pixels: np.ndarray) -> Literal["photograph", "mask", "blank"]:
    if pixels.max() <= _BLUR:
        return "blank"
    extreme = (pixels <= _BLUR) | (pixels >= 255 - _BLUR)
    return "mask" if extreme.mean() >= _BLURRED and pixels.min() <= _BLUR else "photograph"


def _has_palette(data: bytes) -> bool:
    """Whether a PNG stores colours by number."""
    return data.startswith(b"\x89PNG") and data[25:26] == b"\x03"
