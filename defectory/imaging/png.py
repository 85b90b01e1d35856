"""What Pillow does not see of a PNG: that it is cut off, and the lower half of 16-bit colours."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

from PIL import Image

from defectory.imaging.samples import Samples

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"IEND\xaeB`\x82"  # the last chunk's name and checksum: always these bytes
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a colour type
_GREY = 0  # a colour type
# Adam7: column and row that a pass starts at, and its steps.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def is_png(data: bytes) -> bool:
    """Whether a file says that it is a PNG."""
    return data.startswith(SIGNATURE)


def is_wide(data: bytes) -> bool:
    """Whether a file's first bytes are those of a PNG of 16 bits."""
    return is_png(data) and len(data) > 25 and data[24] == 16


def has_wide_channels(data: bytes) -> bool:
    """Whether a PNG has several channels of 16 bits, of which Pillow keeps the upper 8."""
    return is_wide(data) and data[25] != _GREY


def read_samples(data: bytes) -> Samples:
    """The 16-bit channels of a PNG.

    Raises:
        Exception: of any kind, where it is broken.
    """
    import imagecodecs

    pixels = imagecodecs.png_decode(data)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    colours = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
    values = pixels[..., 0] if colours == 1 else pixels[..., :3]
    return Samples(values, depth=16, filled=False, alpha=alpha)


def is_cut_off(data: bytes, image: Image.Image) -> bool:
    """Whether a PNG that was decoded without complaint ends too early.

    Pillow does not ask for the end, and takes pixel data that ends with a row for all there is; what is missing stays
    zero. So the data is counted only where the last row is zero, and the rows of an interlaced file always.
    """
    if data.find(_END) < 0:
        return True
    interlaced = len(data) > 28 and data[28] == 1
    if not interlaced and _ends_with_more_than_zeros(image):
        return False
    return _length_of_pixels(data, wanted := _expected(data, interlaced)) < wanted


def _ends_with_more_than_zeros(image: Image.Image) -> bool:
    """Whether anything in the last row is not 0."""
    last = image.getpixel((image.width - 1, image.height - 1))
    if any(last) if isinstance(last, tuple) else last:
        return True
    return any(image.crop((0, image.height - 1, image.width, image.height)).tobytes())


def _expected(data: bytes, interlaced: bool) -> int:
    """Bytes of the pixels and of every row's filter, by the header."""
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    bits = depth * _CHANNELS.get(colour, 1)
    parts = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in parts:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _length_of_pixels(data: bytes, at_most: int) -> int:
    """Bytes that the first frame's pixel data unpacks to, counted up to a bound."""
    import imagecodecs

    packed = b"".join(_pixel_data(data))
    try:
        return len(imagecodecs.deflate_decode(packed, out=at_most))  # in a third of zlib's time
    except imagecodecs.DeflateError:  # more than the bound, or without its end: zlib counts as far as it comes
        unpacker, length = zlib.decompressobj(), 0
        with suppress(zlib.error):
            while packed and length < at_most:
                length += len(unpacker.decompress(packed, 1 << 20))
                packed = unpacker.unconsumed_tail
        return length


def _pixel_data(data: bytes) -> Iterator[bytes]:
    """The first frame's pixel data, chunk by chunk."""
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"IEND":
            return
        if kind == b"IDAT":
            yield data[place + 8 : place + 8 + size]
        place += size + 12
