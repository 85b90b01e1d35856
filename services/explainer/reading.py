"""A manifest's pictures as one classifier reads them: each is decoded once; one that cannot be read is left out."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import structlog

from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import memory_of, pictures_of, with_masks
from defectory.errors import DefectoryError, InvalidInput
from defectory.imaging import decode
from defectory.storage.store import ObjectStore
from services.explainer.picture import Picture

Seen = TypeVar("Seen")
Read = Callable[[bytes], Picture]  # InvalidInput for what is no image that can be read

log = structlog.get_logger(__name__)


def readable(store: ObjectStore, lines: Sequence[ManifestLine], read: Read) -> Iterator[tuple[ManifestLine, Picture]]:
    """The lines whose pictures can be read, in order; the log names the others.

    Raises:
        Unavailable, Exhausted, Refused: the store. Corrupted: behind the last line, where files are not those that
            their lines describe.
    """
    for line, content in zip(lines, pictures_of(store, lines), strict=True):
        picture = _read(line, content, read)
        if picture is not None:
            yield line, picture


def readable_with_masks(
    store: ObjectStore, lines: Sequence[ManifestLine], read: Read
) -> Iterator[tuple[ManifestLine, Picture, np.ndarray]]:
    """(line, picture, mask bool (height, width) as the picture is shown) of masked lines whose mask marks anything.

    Raises:
        As `readable`.
    """
    for line, (content, mask_content) in zip(lines, with_masks(store, lines), strict=True):
        mask = _read(line, mask_content, decode)
        picture = None if mask is None else _read(line, content, read)
        if mask is None or picture is None:
            continue
        height, width = picture.shown.shape[:2]
        marked = np.asarray(mask.convert("L").resize((width, height))) > 127
        if marked.any():
            yield line, picture, marked


def _read(line: ManifestLine, content: bytes | DefectoryError, read: Callable[[bytes], Seen]) -> Seen | None:
    """What a line's file shows; None where it cannot be read: the log says so, and the others go on."""
    try:
        if isinstance(content, DefectoryError):
            reason: DefectoryError = content
        else:
            with memory_of(line):
                return read(content)
    except InvalidInput as error:
        reason = error
    log.warning("an image is left out", uri=line.file.uri, reason=str(reason))
    return None
