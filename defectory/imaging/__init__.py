"""The one door for foreign image bytes, and the few things done to pixels everywhere: decode, encode, make square."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, ImageOps

from defectory.depth import FULL_DEPTH as FULL_DEPTH
from defectory.errors import InvalidInput
from defectory.imaging import bmp, png, tiff
from defectory.imaging.samples import Samples, unit_to_8_bit, whole_to_8_bit

Fit = Literal["stretch", "crop", "pad"]

MAX_PIXELS = 100_000_000  # of a file, wherever one comes in: scanners of 57 and sensors of 65 megapixels are in use
MAX_SIDE_PX = 2_000_000  # of its longer side: a resize needs 48 bytes a pixel of it for weights alone
# Only the decoders that factory cameras need: each one more is attack surface.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
UPRIGHT = 1  # EXIF orientation of a picture that is stored as it is to be seen
_TURNED = (5, 6, 7, 8)  # EXIF orientations in which width and height change places
_TILE_PIXELS = 1 << 20  # converted at once: what a conversion needs besides its image and its result is of one tile
_WIDE_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_LONG_PX = 65_535  # a side beyond which the order of a resize's passes is chosen by their cost
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
        return int(self.numbers().max()) if self.image.mode in _WIDE_GREY else None

    def numbers(self) -> np.ndarray:
        image = self.load(0, FULL_DEPTH)
        return np.asarray(image if image.mode in ("1", "L", "F", *_WIDE_GREY) else image.convert("RGBA"))


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


def decode(
    data: bytes | Opened,
    max_pixels: int = MAX_PIXELS,
    needed_px: int = 0,
    *,
    keep_alpha: bool = False,
    bits: int = FULL_DEPTH,
) -> Image.Image:
    """Decode PNG, JPEG, BMP or TIFF bytes into an upright 8-bit image. docs/pictures.md lists what is read how.

    - Orientation: the EXIF (or TIFF) rotation is applied.
    - 16-bit: the range of `bits` is scaled to 0..255, never the image's own range, which would hide exposure.
      Floating-point TIFF must lie in [0, 1].
    - Transparency is composited onto white, so colours hidden under transparent pixels do not come back; with
      keep_alpha an image that is not opaque everywhere stays RGBA, and what is invisible becomes white. Alpha that is
      0 everywhere in a BMP or TIFF is a channel that nobody filled: the image is opaque.
    - Palette, CMYK and other colour spaces become RGB; bilevel becomes L.
    - Of a PNG's frames the first is taken; of a TIFF's pages the one that is no thumbnail.

    The conversion to 8 bit takes about as much memory as the image and its result together, whatever the mode.

    Args:
        data: the file's bytes, or what `read_header` made of them.
        max_pixels: the largest width x height; checked on the header, before pixels are decoded.
        needed_px: a JPEG may come out 1/2, 1/4 or 1/8 as large, as long as both sides keep so many pixels: its blocks
            are then computed at that size, which is cheaper and is a mean over pixels. 0: as large as it is.
        keep_alpha: for those who can do with it.
        bits: that the values of a 16-bit file use, in [8, 16]: a camera of 12 bits stores 0 to 4095 in it.

    Returns:
        an image of mode "L" or "RGB" (with keep_alpha also "RGBA"), without metadata.

    Raises:
        InvalidInput: empty, not an image, of another format, broken, cut off, too large, of values beyond `bits`, or of
            a kind of which it is not plain what is meant; says which.
    """
    opened = data if isinstance(data, Opened) else read_header(data, max_pixels)
    with decoding(opened):
        image = opened.load(needed_px, bits)
        put_upright(image, opened.orientation())
    if opened.format in ("BMP", "TIFF"):
        image = _without_unused_alpha(image)
    return _to_8_bit(image, keep_alpha, bits)


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


@contextmanager
def decoding(opened: Opened) -> Iterator[None]:
    """What a decoder raises becomes InvalidInput: fed with foreign bytes it can raise anything."""
    try:
        yield
    except (InvalidInput, MemoryError):  # of memory: nothing is wrong with the image
        raise
    except Exception as error:
        raise InvalidInput(f"the {opened.format} image is broken or cut off: {error}") from error


def put_upright(image: Image.Image, orientation: int) -> None:
    """Turn an image in place as an EXIF orientation, 1 to 8, asks for."""
    if orientation != UPRIGHT:
        image.getexif()[ExifTags.Base.Orientation] = orientation
        ImageOps.exif_transpose(image, in_place=True)  # else it would give a copy, turned or not


def encode_png(image: Image.Image | np.ndarray) -> bytes:
    """Encode an image as PNG: the same pixels give the same bytes (no metadata, fixed compression).

    Behind PNG's own filters little is left to search for: the quick level makes files about a tenth larger than the
    usual one, in a third of the time.

    Args:
        image: "L", "RGB" or "RGBA", or a uint8 array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    Raises:
        InvalidInput: another mode, type or shape.
    """
    if isinstance(image, np.ndarray):
        bare = _from_array(image)
    elif image.mode in ("L", "RGB", "RGBA"):
        bare = _without_metadata(image)
    else:
        raise InvalidInput(f"an image of mode {image.mode} cannot be stored; convert it to L, RGB or RGBA")
    buffer = io.BytesIO()
    bare.save(buffer, "PNG", compress_level=1, optimize=False)
    return buffer.getvalue()


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
        return _resized(image, size_px, resampling)
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


def on_white(image: Image.Image) -> Image.Image:
    """An "RGBA" image as it looks on white ground: "RGB"."""
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def is_grey(image: Image.Image) -> bool:
    """Whether an "L" or "RGB" image holds no colour: all channels are equal everywhere. "RGBA" is not grey."""
    if image.mode != "RGB":
        return image.mode == "L"
    pixels = np.asarray(image)
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


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


def _resized(image: Image.Image, size_px: int, resampling: Image.Resampling) -> Image.Image:
    """Stretched to a square. Pillow widens first, which makes a very tall, narrow image many times larger."""
    if image.height > _LONG_PX and image.width < size_px:
        image = image.resize((image.width, size_px), resampling)
    return image.resize((size_px, size_px), resampling)


def _without_unused_alpha(image: Image.Image) -> Image.Image:
    if image.mode not in ("RGBA", "LA") or image.getchannel("A").getextrema() != (0, 0):
        return image
    return image.convert(image.mode[:-1])


def _to_8_bit(image: Image.Image, keep_alpha: bool, bits: int) -> Image.Image:
    """Any mode that the decoders give, as "L" or "RGB", or "RGBA" where something shows through."""
    if image.mode in _WIDE_GREY:
        return _by_tiles(image, "L", lambda tile: Image.fromarray(whole_to_8_bit(np.asarray(tile), bits)))
    if image.mode == "F":
        return _by_tiles(image, "L", lambda tile: Image.fromarray(unit_to_8_bit(np.asarray(tile))))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        if image.mode == "La":  # of which Pillow makes nothing else
            image = image.convert("LA")
        if keep_alpha:
            pixels = np.array(image.convert("RGBA"))
            if pixels[..., 3].min() < 255:
                pixels[pixels[..., 3] == 0, :3] = 255
                return Image.fromarray(pixels)
        mode = "L" if image.mode in ("LA", "La", "L", "1") else "RGB"
        return _by_tiles(image, mode, lambda tile: on_white(tile.convert("RGBA")).convert(mode))
    bare = image.convert("L" if image.mode in ("1", "L") else "RGB")  # a copy, whatever it was
    bare.info = {}
    return bare


def _by_tiles(image: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The image converted to a mode, tile after tile; in one piece where it is no larger than a tile."""
    if image.width * image.height <= _TILE_PIXELS:
        return convert(image)
    whole = Image.new(mode, image.size)
    across = min(image.width, _TILE_PIXELS)
    down = _TILE_PIXELS // across
    for top in range(0, image.height, down):
        for left in range(0, image.width, across):
            box = (left, top, min(left + across, image.width), min(top + down, image.height))
            whole.paste(convert(image.crop(box)), box)
    return whole


def _without_metadata(image: Image.Image) -> Image.Image:
    bare = image.copy()
    bare.info = {}
    return bare


def _from_array(pixels: np.ndarray) -> Image.Image:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint8 or pixels.size == 0 or not (pixels.ndim == 2 or pixels.shape[2:] in ((3,), (4,))):
        raise InvalidInput(
            f"an array {pixels.dtype}{pixels.shape} is no image: use uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    return Image.fromarray(np.ascontiguousarray(pixels))


def _edge_colour(image: Image.Image) -> int | tuple[int, ...]:
    """Median colour of the outermost pixels."""
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median = np.median(edge, axis=0)
    return int(median) if median.ndim == 0 else tuple(int(v) for v in median)


def scales_in_the_decoder(data: bytes) -> bool:
    """Whether `decode` may give a file of this kind smaller than it is (its `needed_px`): JPEG only."""
    return data.startswith(b"\xff\xd8\xff")


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
        image = _resized(image, size_px, Image.Resampling.BILINEAR)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)
