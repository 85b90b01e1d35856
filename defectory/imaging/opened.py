"""A foreign file of which only the header was read, and what is known of it before its pixels are wanted."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import ExifTags, Image, ImageOps

from defectory.depth import FULL_DEPTH
from defectory.errors import InvalidInput
from defectory.imaging import bmp, png, tiff
from defectory.imaging.samples import Samples

MAX_PIXELS = 100_000_000  # of a file, wherever one comes in: scanners of 57 and sensors of 65 megapixels are in use
MAX_SIDE_PX = 2_000_000  # of its longer side: a resize needs 48 bytes a pixel of it for weights alone
# Only the decoders that factory cameras need: each one more is attack surface.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
UPRIGHT = 1  # EXIF orientation of a picture that is stored as it is to be seen
WIDE_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # Pillow's modes of grey values of more than 8 bits
_TURNED = (5, 6, 7, 8)  # EXIF orientations in which width and height change places
# Pillow's own limit is below ours, and only a warning: `_check_size` holds before decoding
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Opened:
    """A file of which only the header was read: its size is known; `decode` takes it from there, once.

    Attributes:
        format: name of the format, for messages.
        width, height: px, as stored: a rotation that the file asks for is not applied.
    """

    format: str
    width: int
    height: int

    def orientation(self) -> int:
        """1 to 8, as in EXIF. A JPEG's header tells; another file may be decoded for it."""
        raise NotImplementedError

    def load(self, needed_px: int, bits: int) -> Image.Image:
        """The image as it lies in the file, in any mode that a decoder gives. Whatever this raises: it is broken."""
        raise NotImplementedError

    def largest_value(self) -> int | None:
        """The largest value where values may use fewer bits than the file has; None of any other file."""
        raise NotImplementedError

    def numbers(self) -> np.ndarray:
        """Grey (H, W) of any type, (H, W, 2) with alpha, colour (H, W, 3), (H, W, 4) with alpha. Not turned."""
        raise NotImplementedError


@dataclass(frozen=True)
class _ByPillow(Opened):
    """What Pillow reads to the grey level."""

    image: Image.Image
    data: bytes

    def orientation(self) -> int:
        asked = self.image.getexif().get(ExifTags.Base.Orientation)
        return asked if isinstance(asked, int) and asked in range(1, 9) else UPRIGHT

    def load(self, needed_px: int, bits: int) -> Image.Image:
        if needed_px:
            self.image.draft(None, (needed_px, needed_px))  # of the decoders here only JPEG's knows how
        self.image.load()
        if png.is_png(self.data) and png.is_cut_off(self.data, self.image):
            raise ValueError("its pixels end too early")
        return self.image

    def largest_value(self) -> int | None:
        return int(self.numbers().max()) if self.image.mode in WIDE_GREY else None

    def numbers(self) -> np.ndarray:
        image = self.load(0, FULL_DEPTH)
        return np.asarray(image if image.mode in ("1", "L", "F", *WIDE_GREY) else image.convert("RGBA"))


@dataclass(frozen=True)
class _BySamples(Opened):
    """What Pillow does not read to the grey level."""

    read: Callable[[], Samples]
    orientation_of: Callable[[], int]

    def orientation(self) -> int:
        return self.orientation_of()

    def load(self, needed_px: int, bits: int) -> Image.Image:
        return self.read().to_image(bits)

    def largest_value(self) -> int | None:
        return self.read().largest

    def numbers(self) -> np.ndarray:
        samples = self.read()
        values = samples.from_black()
        return values if samples.alpha is None else np.dstack([values, samples.alpha])


def read_header(data: bytes, max_pixels: int = MAX_PIXELS) -> Opened:
    """A file of which only the header was read.

    Raises:
        InvalidInput: empty, not an image, of another format, too large, or a TIFF of which it is not plain what is
            meant.
    """
    if not data:
        raise InvalidInput("the file is empty")
    picture = tiff.find_picture(data) if tiff.is_tiff(data) else None
    if picture and not picture.pillow_reads:
        _check_size(picture.width, picture.height, max_pixels)
        return _BySamples(
            "TIFF", picture.width, picture.height, picture.read_samples, lambda: picture.orientation
        )  # fmt: skip
    try:
        image = Image.open(io.BytesIO(bmp.with_plain_palette(data)), formats=FORMATS)
    except Exception as error:  # a parser fed with foreign bytes can raise anything
        names = "PNG, JPEG, BMP or TIFF"
        raise InvalidInput(f"the file is not an image that can be read; use {names}") from error
    _check_size(*image.size, max_pixels)
    opened = _ByPillow(str(image.format), *image.size, image, data)
    if png.has_wide_channels(data):
        return _BySamples("PNG", *image.size, partial(png.read_samples, data), opened.orientation)
    return opened


@contextmanager
def decoding(opened: Opened) -> Iterator[None]:
    """What a decoder raises becomes InvalidInput: fed with foreign bytes it can raise anything."""
    try:
        yield
    except (InvalidInput, MemoryError):  # of memory: nothing is wrong with the image
        raise
    except Exception as error:
        raise InvalidInput(f"the {opened.format} image is broken or cut off: {error}") from error


def size_of(data: bytes, max_pixels: int = MAX_PIXELS, *, upright: bool = False) -> tuple[int, int]:
    """(width, height) of a file, from its header.

    Args:
        upright: turned as `decode` turns it. A JPEG's header tells; another file may have to be decoded for it.

    Raises:
        InvalidInput: empty, not an image, of another format, too large, or (upright) broken.
    """
    opened = read_header(data, max_pixels)
    with decoding(opened):
        turned = upright and opened.orientation() in _TURNED
    return (opened.height, opened.width) if turned else (opened.width, opened.height)


def may_use_fewer_bits(head: bytes) -> bool:
    """Whether a file that begins so (32 bytes) can have a `largest_value`."""
    return png.is_wide(head) or tiff.is_tiff(head)


def largest_value(data: bytes) -> int | None:
    """The largest value of a file of 16-bit integers, of which cameras use 10, 12 or 14; None of any other file.

    Raises:
        InvalidInput: as `decode`.
    """
    if not may_use_fewer_bits(data):
        return None
    opened = read_header(data)
    with decoding(opened):
        return opened.largest_value()


def scales_in_the_decoder(data: bytes) -> bool:
    """Whether `decode` may give a file of this kind smaller than it is (its `needed_px`): JPEG only."""
    return data.startswith(b"\xff\xd8\xff")


def put_upright(image: Image.Image, orientation: int) -> None:
    """Turn an image in place as an EXIF orientation, 1 to 8, asks for."""
    if orientation != UPRIGHT:
        image.getexif()[ExifTags.Base.Orientation] = orientation
        ImageOps.exif_transpose(image, in_place=True)  # else it would give a copy, turned or not


def _check_size(width: int, height: int, max_pixels: int) -> None:
    """InvalidInput where a header promises too many pixels, too long a side, or none."""
    if width * height > max_pixels:
        raise InvalidInput(f"the image says it is {width}x{height}, more than the {max_pixels} pixels allowed")
    if max(width, height) > MAX_SIDE_PX:
        raise InvalidInput(
            f"the image says it is {width}x{height}, a side of more than the {MAX_SIDE_PX} pixels allowed"
        )
    if width < 1 or height < 1:
        raise InvalidInput(f"the image says it is {width}x{height}: it has no pixels")
