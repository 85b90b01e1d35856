"""What a camera's file holds before it becomes a picture of 8 bits: numbers of a channel, of any depth."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from defectory.depth import FULL_DEPTH
from defectory.errors import InvalidInput

DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras count with
_BLOCK = 1 << 20  # samples converted at once


@dataclass(frozen=True)
class Samples:
    """A picture's numbers as its file has them.

    Attributes:
        values: (H, W) grey or (H, W, 3) colour; integers, or floats in [0, 1].
        depth: bits of an integer sample: 1 to 16.
        filled: whether the file says that its values fill this depth (a file of packed 12-bit samples does); a file of
            16 bits does not: cameras of 10, 12 and 14 bits store such.
        white_is_zero: 0 is white, and the largest value black.
        alpha: (H, W), of the values' type and filling its depth; None: opaque.
        multiplied: the colours were multiplied by it.
    """

    values: np.ndarray
    depth: int
    filled: bool
    white_is_zero: bool = False
    alpha: np.ndarray | None = None
    multiplied: bool = False

    @property
    def largest(self) -> int | None:
        """The largest value of a channel that may not fill its depth; None where there is nothing to find out."""
        return None if self.filled or self.values.dtype.kind == "f" else int(self.values.max())

    def from_black(self) -> np.ndarray:
        """The values, turned round where white is zero: 0 is black."""
        if not self.white_is_zero:
            return self.values
        full = 1 if self.values.dtype.kind == "f" else (1 << self.depth) - 1
        return np.asarray(full - self.values)

    def to_image(self, bits: int) -> Image.Image:
        """As 8 bits: "L" or "RGB", with alpha "LA", "RGBA", or multiplied "La", "RGBa".

        Args:
            bits: that the values use, where the file does not say it; above the depth: the depth.

        Raises:
            InvalidInput: values lie outside.
        """
        used = self.depth if self.filled else min(bits, self.depth)
        planes = [_to_8_bit(self.values, used, self.white_is_zero)]
        if self.alpha is None:
            return Image.fromarray(planes[0])
        planes.append(_to_8_bit(self.alpha, self.depth, white_is_zero=False))
        mode = ("LA", "RGBA") if not self.multiplied else ("La", "RGBa")
        return _image(np.dstack(planes), mode[self.values.ndim == 3])


def _image(pixels: np.ndarray, mode: str) -> Image.Image:
    """An image of a mode that NumPy does not tell from others of as many channels."""
    height, width = pixels.shape[:2]
    return Image.frombytes(mode, (width, height), np.ascontiguousarray(pixels).tobytes())


def _to_8_bit(values: np.ndarray, bits: int, white_is_zero: bool) -> np.ndarray:
    """uint8 of any shape's values, a block of rows at a time."""
    result = np.empty(values.shape, np.uint8)
    rows = max(1, _BLOCK * len(values) // max(1, values.size))
    for top in range(0, len(values), rows):
        block = values[top : top + rows]
        shares = block.dtype.kind == "f"
        levels = unit_to_8_bit(block, white_is_zero) if shares else whole_to_8_bit(block, bits, white_is_zero)
        result[top : top + rows] = levels
    return result


def whole_to_8_bit(values: np.ndarray, bits: int, white_is_zero: bool = False) -> np.ndarray:
    """Integers in [0, 2^bits - 1] to [0, 255], to the nearest; there are no ties.

    Raises:
        InvalidInput: a value is below or above.
    """
    full = (1 << bits) - 1
    low, high = int(values.min()), int(values.max())
    if low < 0:
        raise InvalidInput(f"the image has pixels of negative values ({low}): store them from 0 on, with 8 or 16 bits")
    if high > full:
        right = (
            "store it with 8 or 16 bits" if bits >= FULL_DEPTH else "give it with the depth of its set's photographs"
        )
        raise InvalidInput(f"the image has pixels up to {high}, and {bits} bits hold {full}: {right}")
    return np.asarray(_table(bits, white_is_zero)[values])


def unit_to_8_bit(values: np.ndarray, white_is_zero: bool = False) -> np.ndarray:
    """Floating-point values in [0, 1] to [0, 255], to the nearest.

    Raises:
        InvalidInput: a value lies outside, or is no number.
    """
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise InvalidInput("the image has floating-point pixels outside [0, 1]; store it with 8 or 16 bits")
    wide = values.astype(np.float32) if values.itemsize < 4 else values
    shares = 1 - wide if white_is_zero else wide
    return np.round(shares * 255).astype(np.uint8)


@lru_cache(maxsize=8)
def _table(bits: int, white_is_zero: bool) -> np.ndarray:
    """uint8 (2^bits,): the grey level of every value."""
    full = (1 << bits) - 1
    levels = ((np.arange(full + 1, dtype=np.uint32) * 255 + full // 2) // full).astype(np.uint8)
    return levels[::-1].copy() if white_is_zero else levels


def bits_used(largest: int) -> int:
    """The fewest bits of `DEPTHS` that hold a set's largest value; an empty or black set tells nothing: FULL_DEPTH."""
    return next((bits for bits in DEPTHS if largest >> bits == 0), FULL_DEPTH) if largest else FULL_DEPTH


def plural(count: int, word: str) -> str:
    """ "1 channel", "5 channels"."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
