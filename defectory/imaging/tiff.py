"""TIFF: which page is the picture, whether it is plain what is meant by it, and the numbers that Pillow gets wrong.

Read by tifffile and imagecodecs, the reference readers of scientific cameras' files. What they read and we cannot be
sure of is named and refused.
"""

import io
import logging
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from defectory.errors import InvalidInput
from defectory.imaging.samples import Samples, plural

if TYPE_CHECKING:
    from tifffile import TiffPage

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
_MAX_PAGES = 32  # looked at: a file of hundreds of thumbnails is no photograph
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_COLOUR_FILTER, _LINEAR_RAW = 32803, 34892
_ASSOCIATED, _UNASSOCIATED = 1, 2  # of ExtraSamples: alpha that colours were multiplied by, and were not
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
# None, CCITT, LZW, JPEG (old and new), Deflate, PackBits, LZMA, Zstandard
_PILLOWS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000})
# Compressions of which every strip is a picture file -> its decoder in imagecodecs.
_PICTURES = dict.fromkeys((33003, 33004, 33005, 34712), "jpeg2k_decode") | dict.fromkeys(
    (50002, 52546), "jpegxl_decode"
)
_MAX_BYTES = 800_000_000  # of samples: 8 of a pixel where it has the most pixels, more where it has fewer
_LARGE_TILE = 1 << 24  # samples: a tile may be larger than a small picture
STORE = "store one channel (grey) or three (RGB) of 8 or 16 bits, as PNG or TIFF"

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it says of foreign files is not for our stderr


@dataclass(frozen=True)
class TiffPicture:
    """The page of a TIFF that is the picture.

    Attributes:
        width, height: px, as stored.
        orientation: 1 to 8, as in EXIF.
        pillow_reads: Pillow reads it to the grey level.
    """

    width: int
    height: int
    orientation: int
    pillow_reads: bool
    _data: bytes
    _page: "TiffPage"

    def read_samples(self) -> Samples:
        """The page's numbers.

        Raises:
            InvalidInput: it holds more than a picture of 8 or 16 bits needs.
            Exception: of any other kind, where it is broken.
        """
        page = self._page
        pixels = _pixels(page, self._data)  # (H, W, C)
        values = pixels[..., 0] if _colours(page) == 1 else pixels[..., :3]
        kind, bits = _kind(page), int(page.bitspersample)
        return Samples(
            values,
            depth=min(bits - (kind == _SIGNED), 16),
            filled=kind == _UNSIGNED and bits < 16,
            white_is_zero=page.photometric == _WHITE_IS_ZERO,
            alpha=pixels[..., _colours(page)] if _alpha(page) else None,
            multiplied=_alpha(page) == _ASSOCIATED,
        )


def is_tiff(data: bytes) -> bool:
    """Whether a file's first bytes are those of a TIFF."""
    return data[:4] in _MAGIC


def find_picture(data: bytes) -> TiffPicture | None:
    """The picture that a TIFF holds; None where its structure cannot be read.

    Raises:
        InvalidInput: it is not plain what is meant; names what is there, and what to store instead.
    """
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = _only_picture(list(_pages(file)))
            orientation = int(page.tags.valueof(274, 1))
            size = int(page.imagewidth), int(page.imagelength)  # anything can stand in a tag
            pillow_reads = page is file.pages[0] and _is_plain(page)
            page.decode  # noqa: B018 -- it is made while the file is open
    except InvalidInput:
        raise
    except Exception:  # a parser fed with foreign bytes can raise anything
        return None
    if not pillow_reads:
        _check_meaning(page)
    return TiffPicture(*size, orientation if 1 <= orientation <= 8 else 1, pillow_reads, data, page)


def _pages(file: Any) -> Iterator["TiffPage"]:
    """The file's pages and those below them, in their order, as far as is looked."""
    for number in range(_MAX_PAGES):
        try:
            page = file.pages[number]
        except IndexError:
            return
        yield page
        yield from (page.pages or ())[:_MAX_PAGES] if page.subifds else ()


def _only_picture(pages: list["TiffPage"]) -> "TiffPage":
    """The one page that is no smaller copy of another and no mask; the first where all are."""
    whole = [page for page in pages if not page.subfiletype & (_REDUCED | _MASK)]
    if len(whole) > 1:
        sizes = ", ".join(f"{page.imagewidth}x{page.imagelength}" for page in whole[:4])
        more = ", …" if len(whole) > 4 else ""
        raise InvalidInput(
            f"a TIFF of {len(whole)} pages ({sizes}{more}): which is the photograph? Store each as a file of its own"
        )
    return (whole or pages)[0]


def _kind(page: "TiffPage") -> int:
    return int(page.sampleformat or _UNSIGNED)


def _colours(page: "TiffPage") -> int:
    """Channels that are no extra samples: 1 or 3."""
    return 3 if page.photometric == _RGB else 1


def _alpha(page: "TiffPage") -> int:
    """What the first channel beyond the colours is, where it is alpha; 0: it is not."""
    if page.photometric == _RGB and page.samplesperpixel == 4 and not page.extrasamples:
        return _UNASSOCIATED  # as Pillow takes it where the file does not say
    first = int(page.extrasamples[0]) if page.extrasamples else 0
    return first if first in (_ASSOCIATED, _UNASSOCIATED) else 0


def _is_plain(page: "TiffPage") -> bool:
    """Whether it is one of the pictures of up to 8 bits that Pillow reads as they are meant."""
    extra = page.samplesperpixel - {_RGB: 3, _YCBCR: 3, _LAB: 3, _CMYK: 4}.get(page.photometric, 1)
    return (
        page.bitspersample in (1, 2, 4, 8)
        and _kind(page) == _UNSIGNED
        and page.compression in _PILLOWS
        and page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB)
        and (extra == 0 or (extra == 1 and (bool(_alpha(page)) or page.photometric == _RGB)))
        and not (page.photometric == _WHITE_IS_ZERO and extra)
        and page.imagedepth == 1
    )


def _check_meaning(page: "TiffPage") -> None:
    """InvalidInput unless `TiffPicture.read_samples` reads the page as it is meant."""
    what = _described(page)
    if page.photometric in (_COLOUR_FILTER, _LINEAR_RAW):
        raise InvalidInput(
            f"{what} straight from the sensor: store the picture that your camera's software makes of it"
        )
    if page.compression not in _PILLOWS | _PICTURES.keys():
        raise InvalidInput(f"{what}, compressed as {_name(page, 'compression')}: store it uncompressed or as PNG")
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
        raise InvalidInput(f"{what} in the colours {_name(page, 'photometric')}: {STORE}")
    spare = page.samplesperpixel - _colours(page)
    # A fourth channel that is not named is a filler of RGB; a second one of grey could be anything.
    if spare and not (spare == 1 and (_alpha(page) or page.photometric == _RGB)):
        raise InvalidInput(f"{what}: {STORE}")
    whole = (_UNSIGNED, _SIGNED)
    if isinstance(page.bitspersample, tuple) or page.dtype is None or page.imagedepth != 1:
        raise InvalidInput(f"{what}: {STORE}")
    if not (
        (_kind(page) in whole and page.dtype.kind in "iu" and page.dtype.itemsize <= 4)
        or (_kind(page) == _FLOAT and page.dtype.kind == "f" and page.bitspersample in (16, 32, 64))
    ):
        raise InvalidInput(f"{what}: {STORE}")


def _described(page: "TiffPage") -> str:
    """ "a TIFF of 5 channels of 8 bits"."""
    kind = {_UNSIGNED: "", _SIGNED: "signed ", _FLOAT: "floating-point "}.get(_kind(page), "complex ")
    bits = page.bitspersample
    depth = "/".join(map(str, bits)) if isinstance(bits, tuple) else str(bits)
    depths = f" and {page.imagedepth} layers" if page.imagedepth != 1 else ""
    return f"a TIFF of {plural(page.samplesperpixel, 'channel')} of {kind}{depth} bits{depths}"


def _name(page: "TiffPage", what: str) -> str:
    value = getattr(page, what)
    return str(getattr(value, "name", value)).replace("_", " ")


def _pixels(page: "TiffPage", data: bytes) -> np.ndarray:
    """(H, W, C) of the page."""
    size = page.imagewidth * page.imagelength * page.samplesperpixel * page.dtype.itemsize  # type: ignore[union-attr]
    if size > _MAX_BYTES:
        raise InvalidInput(
            f"{_described(page)} that unpacks to {size >> 20} MiB, more than {_MAX_BYTES >> 20}; {STORE}"
        )
    places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(places) != math.prod(page.chunked) or any(not count or at + count > len(data) for at, count in places):
        raise ValueError("pixel data is missing, or lies beyond the end of the file")
    canvas = np.zeros(page.shaped, page.dtype)  # (planes, 1, H, W, C)
    for number, (at, count) in enumerate(places):
        _, place, shape = page.decode(None, number)
        if math.prod(shape) > max(canvas.size, _LARGE_TILE):
            raise ValueError(
                f"a tile of {shape[2]}x{shape[1]} pixels in a picture of {page.imagewidth}x{page.imagelength}"
            )
        block = _segment(page, data[at : at + count], number, shape)
        plane, _, top, left, _ = place
        target = canvas[plane, 0, top : top + shape[1], left : left + shape[2]]
        target[:] = block[0, : target.shape[0], : target.shape[1]]
    return np.moveaxis(canvas[:, 0], 0, -1)[..., 0, :] if len(canvas) > 1 else canvas[0, 0]


def _segment(page: "TiffPage", data: bytes, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """A strip or tile: (1, rows, columns, channels), which `shape` says that it has by the page."""
    codec = _PICTURES.get(page.compression)
    if codec is None:
        return np.asarray(page.decode(data, number, jpegtables=page.jpegtables)[0])
    import imagecodecs

    # A picture inside a picture has a size of its own, which could be anything: it goes into what the page says.
    if codec == "jpeg2k_decode" and _size_in_jpeg_2000(data) != (shape[2], shape[1]):
        raise ValueError("the JPEG 2000 inside is of another size than the page")  # its decoder would see it too late
    block = np.empty(shape[1:] if shape[3] > 1 else shape[1:3], page.dtype)
    return np.asarray(getattr(imagecodecs, codec)(data, out=block, numthreads=1)).reshape(shape)


def _size_in_jpeg_2000(data: bytes) -> tuple[int, int]:
    """(width, height) by the first marker segment of the codestream (ISO/IEC 15444-1, A.5.1)."""
    right, bottom, left, top = struct.unpack_from(">4I", data, data.index(b"\xff\x4f\xff\x51") + 8)
    return right - left, bottom - top
