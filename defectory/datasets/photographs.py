"""From a file to the pictures that a dataset holds of it: the photograph as it came, or its tiles."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from defectory.datasets.groups import FINE
from defectory.datasets.layouts.source import SourceFile
from defectory.datasets.layouts.tree import MAX_FILE_BYTES
from defectory.datasets.tiles import Tile, Tiling, strip_warning, tiles_of
from defectory.errors import Corrupted, DefectoryError, InvalidInput
from defectory.imaging import (
    Fit,
    decode,
    encode_png,
    is_grey,
    largest_value,
    may_use_fewer_bits,
    read_header,
)  # fmt: skip

_ENDINGS = {"JPEG": "jpg", "TIFF": "tif"}  # others are called as their format


@dataclass(frozen=True)
class Reading:
    """How every file of a set is read.

    Attributes:
        fit: how its pictures will become square.
        bits: that the values of 16-bit files use.
        tiling: how photographs are cut; None: they are not.
        good: label of parts without a defect, which a tile beside the defect bears; "": there is none.
        scratch: folder for tiles and masks, until they are stored.
    """

    fit: Fit
    keep_alpha: bool
    bits: int
    tiling: Tiling | None
    good: str
    scratch: Path


@dataclass(frozen=True)
class Stored:
    """A file that a dataset will hold, wherever it lies until then."""

    path: Path
    sha256: str
    ending: str

    def read(self) -> bytes:
        """Its bytes; Corrupted where they are no longer those that were looked at."""
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise Corrupted(f"{self.path} was changed while it was being ingested; ingest it again")
        return content


@dataclass(frozen=True)
class Photograph:
    """A picture of a file."""

    file: SourceFile  # with the label that this picture bears
    stored: Stored
    pixels_sha256: str  # of what it shows, whatever the format that it is stored in
    grey: bool
    alpha: bool
    size: tuple[int, int]  # width and height, upright, px
    structure: np.ndarray  # of the whole file, for the finder of groups
    mask: Stored | None
    tile: Tile | None = None  # None: it is the whole file
    mask_left_out: str = ""  # why a mask that the layout names is not taken
    deep: bool = False  # it is stored with 16 bits a value
    unmarked: bool = False  # a tile of a defective part that has no mask: nobody knows whether the defect is on it

    @property
    def name(self) -> str:
        """The file's path, and which part of it."""
        return self.file.path if self.tile is None else f"{self.file.path}, tile at {self.tile.left}, {self.tile.top}"


def read_photographs(root: Path, file: SourceFile, reading: Reading) -> list[Photograph]:
    """What a dataset holds of a file; no tile where none can be labelled.

    A file stays as it came, to the byte: what a network sees of it in training is what it sees of it when it serves.
    A tile becomes a PNG of 8 bits.

    Raises:
        InvalidInput: it cannot be read. OSError: the file system.
    """
    path = root / file.path
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidInput(f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
    content = path.read_bytes()
    opened = read_header(content)
    image = decode(opened, keep_alpha=reading.keep_alpha, bits=reading.bits)
    mask, left_out = _mask(root, file, image.size)
    if mask is not None and file.label == reading.good and mask.getbbox() is None:
        mask = None  # it says what the label says: KolektorSDD and others store a black one for every good part
    structure = FINE.describe(np.asarray(image.convert("L")))
    if reading.tiling is not None:
        return list(_tiles(file, reading, image, mask, left_out, structure))
    ending = _ENDINGS.get(opened.format, opened.format.lower())
    stored = Stored(path, hashlib.sha256(content).hexdigest(), ending)
    deep = may_use_fewer_bits(content[:32]) and largest_value(content) is not None
    return [replace(_photograph(file, reading, stored, image, mask, left_out, structure), deep=deep)]


def masks_left_out(photographs: Sequence[Photograph]) -> list[list[str]]:
    """[path of a photograph, why its mask is not taken], sorted."""
    return sorted([path, why] for path, why in {(p.file.path, p.mask_left_out) for p in photographs} if why)


def notes_of(photographs: Sequence[Photograph], reading: Reading) -> list[str]:
    """What a person has to know of the photographs as they were read, in sentences."""
    notes = []
    if reading.tiling is None:
        notes.append(strip_warning([photograph.size for photograph in photographs], reading.fit))
    unmarked = {photograph.file.path for photograph in photographs if photograph.unmarked}
    if unmarked:
        notes.append(
            f"{len(unmarked)} photographs of defects have no mask that says where (e.g. {min(unmarked)}): all their "
            "tiles bear the photograph's label, also those that the defect is not on"
        )
    if left_out := masks_left_out(photographs):
        notes.append(
            f"the masks of {len(left_out)} photographs are left out, e.g. that of {left_out[0][0]}: {left_out[0][1]}"
        )
    return [note for note in notes if note]


def _tiles(
    file: SourceFile,
    reading: Reading,
    image: Image.Image,
    mask: Image.Image | None,
    left_out: str,
    structure: np.ndarray,
) -> Iterator[Photograph]:
    """The tiles of a file. Where it has a mask, a tile that shows nothing of it is one of a good part."""
    marked = mask is not None and mask.getbbox() is not None
    tiling = reading.tiling or Tiling()
    for tile in tiles_of(*image.size, tiling):
        part = image.crop(tile.box)
        cut = mask.crop(tile.box) if mask is not None else None
        beside = marked and cut is not None and cut.getbbox() is None
        if beside and not reading.good:
            continue
        labelled = replace(file, label=reading.good, kinds=()) if beside else file
        stored = _kept(part, reading.scratch)
        photograph = _photograph(labelled, reading, stored, part, None if beside else cut, left_out, structure)
        yield replace(photograph, tile=tile, unmarked=not marked and file.label != reading.good)


def _photograph(
    file: SourceFile,
    reading: Reading,
    stored: Stored,
    image: Image.Image,
    mask: Image.Image | None,
    left_out: str,
    structure: np.ndarray,
) -> Photograph:
    pixels = np.asarray(image)  # taken out of the image once: that costs a third of its decoding
    shown = hashlib.sha256(f"{image.mode} {image.size} ".encode())
    shown.update(pixels.data)
    return Photograph(
        file=file,
        stored=stored,
        pixels_sha256=shown.hexdigest(),
        grey=is_grey(pixels),
        alpha=image.mode == "RGBA",
        size=image.size,
        structure=structure,
        mask=_kept(mask, reading.scratch) if mask is not None else None,
        mask_left_out=left_out,
    )


def _kept(image: Image.Image, scratch: Path) -> Stored:
    """An image as a PNG file in a folder, which keeps it out of memory."""
    png = encode_png(image)
    sha256 = hashlib.sha256(png).hexdigest()
    path = scratch / f"{sha256}.png"
    path.write_bytes(png)
    return Stored(path, sha256, "png")


def _mask(root: Path, file: SourceFile, size: tuple[int, int]) -> tuple[Image.Image | None, str]:
    """The united masks of a file, or why there is none: half a mask would be scored as if it were whole."""
    if not file.masks:
        return None, ""
    try:
        return reduce(ImageChops.lighter, [mask.draw(root, *size) for mask in file.masks]), ""
    except DefectoryError as error:
        return None, str(error)
    except OSError as error:
        return None, f"it cannot be read: {error.strerror or error}"
