"""Pictures and masks that a manifest names, read in one place: each is, to the byte, what its line says that it is."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from PIL import Image

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import Corrupted, DefectoryError
from defectory.imaging import decode
from defectory.memory import memory_for
from defectory.storage.fetching import verified
from defectory.storage.parallel import parallel_get
from defectory.storage.store import ObjectStore

Content = TypeVar("Content")
LISTED = 4  # URIs in a message, which must fit into a status; the log has them all

log = logging.getLogger(__name__)  # of the standard library, since programs that set up nothing read datasets too


def picture_of(store: ObjectStore, line: ManifestLine) -> bytes:
    """The file of one line.

    Raises:
        Corrupted: it is not the one that the line describes. NotFound, Refused, …: as the store says.
    """
    return verified(store.get(store.key(line.file.uri)), line.file.uri, line.file.sha256)


def pictures_of(store: ObjectStore, lines: Sequence[ManifestLine]) -> Iterator[bytes | DefectoryError]:
    """The file of every line in order, or the error of one with which something is wrong, which stops nothing.

    Raises:
        Corrupted: behind the last file, where some are not those that their lines describe; names them.
        Unavailable, Exhausted, Refused: the store lets nobody read.
    """
    return _verified(store, [line.file.uri for line in lines], [line.file.sha256 for line in lines])


def with_masks(
    store: ObjectStore, lines: Sequence[ManifestLine]
) -> Iterator[tuple[bytes | DefectoryError, bytes | DefectoryError]]:
    """(file, file of its mask) of every line in order, each of which has one. Raises as `pictures_of`."""
    masks = [line.mask for line in lines if line.mask]
    files = [file for line, mask in zip(lines, masks, strict=True) for file in (line.file, mask)]
    contents = _verified(store, [file.uri for file in files], [file.sha256 for file in files])
    return zip(contents, contents, strict=True)


def image_of(content: bytes, line: ManifestLine, needed_px: int = 0) -> Image.Image:
    """A line's file as its dataset has it: upright, of 8 bits, in the dataset's colours.

    Args:
        needed_px: as `defectory.imaging.decode` takes it.

    Raises:
        InvalidInput: it cannot be read.
    """
    image = decode(content, needed_px=needed_px, keep_alpha=line.file.colour in ("", "RGBA"), bits=line.file.bits)
    return image.convert(line.file.colour) if line.file.colour else image


def memory_of(line: ManifestLine) -> AbstractContextManager[None]:
    """Around what is made of a line's picture: Exhausted where there is not enough memory for it, with its size."""
    return memory_for(f"{line.file.uri}, an image of {line.file.width}x{line.file.height} pixels")


def _verified(store: ObjectStore, uris: Sequence[str], sha256s: Sequence[str]) -> Iterator[bytes | DefectoryError]:
    return refusing_others((content for _, content in parallel_get(store, uris, sha256s=sha256s)), uris)


def refusing_others(
    contents: Iterable[Content | DefectoryError], uris: Sequence[str]
) -> Iterator[Content | DefectoryError]:
    """What was read of some URIs, and behind the last of it Corrupted, which names those that were not as described."""
    others = []
    for uri, content in zip(uris, contents, strict=True):
        if isinstance(content, Corrupted):
            log.error("%s", content)
            others.append(uri)
        yield content
    if others:
        named = ", ".join(others[:LISTED]) + (f" and {len(others) - LISTED} more" if len(others) > LISTED else "")
        raise Corrupted(
            f"{len(others)} of {len(uris)} files are not those that the manifest describes (another SHA-256): {named}; "
            "put back what was there, or ingest the dataset again"
        )
