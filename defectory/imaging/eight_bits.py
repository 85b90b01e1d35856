"""A foreign file's bytes, or what was read of its header, as an upright image of 8 bits a channel."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from defectory.depth import FULL_DEPTH
from defectory.imaging.opened import MAX_PIXELS, WIDE_GREY, Opened, decoding, put_upright, read_header
from defectory.imaging.samples import unit_to_8_bit, whole_to_8_bit

_TILE_PIXELS = 1 << 20  # converted at once: what a conversion needs besides its image and its result is of one tile
_FIRST_ROWS = 16


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
        if image.width * image.height > opened.width * opened.height:  # a decoder must not undo the header's check
            raise ValueError(f"it says {opened.width}x{opened.height} pixels and has {image.width}x{image.height}")
        put_upright(image, opened.orientation())
    if opened.format in ("BMP", "TIFF"):
        image = _without_unused_alpha(image)
    return _to_8_bit(image, keep_alpha, bits)


def on_white(image: Image.Image) -> Image.Image:
    """An "RGBA" image as it looks on white ground: "RGB"."""
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def is_grey(image: Image.Image | np.ndarray) -> bool:
    """Whether an "L" or "RGB" image, or its pixels, holds no colour: all channels are equal everywhere.

    "RGBA" is not grey.
    """
    if isinstance(image, Image.Image) and image.mode != "RGB":
        return image.mode == "L"
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        return True
    # A coloured picture mostly says so in its first rows.
    return pixels.shape[2] == 3 and all(_all_equal(rows) for rows in (pixels[:_FIRST_ROWS], pixels[_FIRST_ROWS:]))


def _all_equal(pixels: np.ndarray) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _without_unused_alpha(image: Image.Image) -> Image.Image:
    if image.mode not in ("RGBA", "LA") or image.getchannel("A").getextrema() != (0, 0):
        return image
    return image.convert(image.mode[:-1])


def _to_8_bit(image: Image.Image, keep_alpha: bool, bits: int) -> Image.Image:
    """Any mode that the decoders give, as "L" or "RGB", or "RGBA" where something shows through."""
    if image.mode in WIDE_GREY:
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
