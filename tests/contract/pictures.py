"""Image files of every kind that callers send: good, odd and hostile."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def pixels(width: int = 96, height: int = 80, seed: int = 0) -> np.ndarray:
    """Smooth random colours, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(array: np.ndarray, kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    """An array as a file."""
    buffer = io.BytesIO()
    Image.fromarray(array).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def rotated(array: np.ndarray, kind: str = "JPEG") -> bytes:
    """The array lying on its side, with the EXIF note that says how to put it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    return encoded(np.rot90(array), kind, exif=exif, quality=95)


def animated(*frames: np.ndarray) -> bytes:
    """A PNG of several frames."""
    first, *others = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=others)
    return buffer.getvalue()


def png_bomb(width: int, height: int) -> bytes:
    """A small PNG whose header promises so many grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def good() -> dict[str, bytes]:
    """Files that are answered, by what is odd about them."""
    array = pixels()
    return {
        "png": encoded(array),
        "bmp": encoded(array, "BMP"),
        "jpeg": encoded(pixels(512, 512), "JPEG", quality=90),
        "jpeg on its side": rotated(pixels(300, 200)),
        "jpeg cmyk": encoded(array, "JPEG", "CMYK"),
        "jpeg grey": encoded(array, "JPEG", "L"),
        "png grey": encoded(array, mode="L"),
        "png with palette": encoded(array, mode="P"),
        "png animated": animated(array, 255 - array),
        "png very wide": encoded(np.tile(array[:1], (1, 521, 1))),  # 50,016 x 1
        "png of one pixel": encoded(array[:1, :1]),
    }


def bad() -> dict[str, bytes]:
    """Files that are refused, by what is wrong with them."""
    jpeg, png, column = encoded(pixels(), "JPEG"), encoded(pixels()), encoded(pixels(1, 5000))
    return {
        "empty": b"",
        "text": b"no image at all",
        "jpeg cut off": jpeg[: len(jpeg) // 2],
        "png cut off": png[: len(png) // 2],
        "png of one column, cut off": column[: len(column) // 2],
        "png of one column, of fewer rows than it says": png_bomb(1, 5000),
        "png of one endless column": png_bomb(1, 49_000_000),
        "png of one endless row": png_bomb(49_000_000, 1),
        "png of 100 megapixels": png_bomb(10_000, 10_000),
        "png of more pixels than there are": png_bomb(2**31 - 1, 2**31 - 1),
        "gif": encoded(pixels(), "GIF"),
    }
