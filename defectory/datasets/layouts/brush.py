"""Masks that were painted in Label Studio: its brush's run lengths, which are those of thi.ng/rle-pack and not COCO's.

The bytes are a row of bits: 32 for the number of words, 5 for a word's length less one, four times 4 for the lengths of
a count less one; then runs. A run is a bit (1: one word that is repeated; 0: words one after the other), 2 bits that
choose the length of its count, the count less one, and its word or words. Words are red, green, blue and alpha of the
pixels in turn, row by row; where alpha is not 0 the brush was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from defectory.errors import InvalidInput

_CHANNELS = 4


@dataclass(frozen=True)
class Brush:
    """What one stroke or several of a brush covered."""

    path: str  # of the file of annotations, and which task
    runs: Sequence[int]  # bytes, 0 to 255
    size: tuple[int, int]  # width and height of the picture that was painted on, px

    def draw(self, root: Path, width: int, height: int) -> Image.Image:
        """See `MaskSource.draw`."""
        if self.size != (width, height):
            own = f"{self.size[0]}x{self.size[1]}"
            raise InvalidInput(f"{self.path}: it was painted on a picture of {own}, and this one is {width}x{height}")
        try:
            words = _words(self.runs, width * height * _CHANNELS)
        except (ValueError, OverflowError, TypeError) as error:
            raise InvalidInput(f"{self.path} holds a painted mask that cannot be read: {error}") from error
        alpha = words.reshape(height, width, _CHANNELS)[..., 3]
        return Image.fromarray((alpha > 0).astype(np.uint8) * np.uint8(255))


def _words(runs: Sequence[int], count: int) -> np.ndarray:
    """The words, (count,). ValueError where the bytes hold another number of them, or end too early."""
    if not isinstance(runs, Sequence):
        raise TypeError("its run lengths are no list")  # of one number bytes() would make as many zeros
    bits = _Bits(bytes(runs))
    if (own := bits.read(32)) != count:
        raise ValueError(f"it holds {own} numbers where its picture has {count}")
    word_bits = bits.read(5) + 1
    count_bits = [bits.read(4) + 1 for _ in range(4)]
    words = np.zeros(count, np.uint32)
    at = 0
    while at < count:
        is_repeated = bits.read(1)
        end = at + 1 + bits.read(count_bits[bits.read(2)])
        if end > count:
            raise ValueError(f"a run ends behind its {count} numbers")
        if is_repeated:
            words[at:end] = bits.read(word_bits)
        else:
            words[at:end] = [bits.read(word_bits) for _ in range(end - at)]
        at = end
    return words


class _Bits:
    """A row of bits, the highest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, count: int) -> int:
        """The next bits as a number; ValueError where there are no more."""
        first, last = self._at // 8, (self._at + count + 7) // 8
        if last > len(self._data):
            raise ValueError("its bytes end in the middle of a run")
        self._at += count
        return int.from_bytes(self._data[first:last], "big") >> (last * 8 - self._at) & ((1 << count) - 1)
