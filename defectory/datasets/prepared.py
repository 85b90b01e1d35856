"""What a network needs of a dataset's pictures: made of them on demand, and kept in the store where that is costly."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import image_of, memory_of, refusing_others
from defectory.errors import DefectoryError, InvalidInput, NotFound
from defectory.imaging import FULL_DEPTH, decoding, encode_png, read_header, to_square
from defectory.phases import each
from defectory.storage.fetching import verified
from defectory.storage.parallel import in_order
from defectory.storage.store import NOT_NOW, ObjectStore

KEPT_FROM_PIXELS = 1 << 20  # of the picture: a smaller one is decoded as fast as what is kept of it would be fetched


def prepared(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    recipe: Callable[[ManifestLine], str],
    make: Callable[[bytes, ManifestLine], np.ndarray],
) -> Iterator[np.ndarray | DefectoryError]:
    """What is made of every line's picture, in order, or the error of one with which something is wrong.

    Args:
        recipe: names how it is made, with all that the result depends on besides the picture's bytes.
        make: makes it of the picture's bytes: uint8 (H, W), (H, W, 3) or (H, W, 4).

    Raises:
        Exhausted: not enough memory for a picture. Unavailable, Exhausted, Refused: the store lets nobody read.
        Corrupted: behind the last, where pictures are not those that their lines describe; names them.
    """

    def one(line: ManifestLine) -> np.ndarray | DefectoryError:
        try:
            key = store.key(line.file.uri)
        except DefectoryError as error:  # malformed, or outside the store
            return error
        try:
            return _prepared(store, line, key, recipe(line), make)
        except NOT_NOW:  # there may be enough of it the next time, and then the set would be another
            raise
        except DefectoryError as error:
            return error

    return each("reading", refusing_others(in_order(one, lines), [line.file.uri for line in lines]))


def squares(store: ObjectStore, lines: Sequence[ManifestLine], size_px: int) -> Iterator[np.ndarray | DefectoryError]:
    """Every line's picture as a square image, as its line says: uint8 (S, S), (S, S, 3) or (S, S, 4).

    Colours are as its dataset has them, or as the file has them where the line does not say. Raises as `prepared`.
    """

    def recipe(line: ManifestLine) -> str:
        return f"square-{size_px}-{line.file.fit or 'stretch'}-{line.file.colour or 'own'}-{line.file.bits}"

    def make(content: bytes, line: ManifestLine) -> np.ndarray:
        return np.asarray(to_square(image_of(content, line, size_px), size_px, line.file.fit or "stretch"))

    return prepared(store, lines, recipe, make)


def _prepared(
    store: ObjectStore,
    line: ManifestLine,
    key: str,
    recipe: str,
    make: Callable[[bytes, ManifestLine], np.ndarray],
) -> np.ndarray:
    kept_key = f"prepared/{line.file.sha256}/{recipe}.png"  # by content: datasets that have the picture share it
    kept = line.file.width * line.file.height >= KEPT_FROM_PIXELS
    if kept:
        with suppress(NotFound, InvalidInput):  # not there, or broken: it is made anew
            return _as_stored(store.get(kept_key))
    content = verified(store.get(key), line.file.uri, line.file.sha256)
    with memory_of(line):
        image = make(content, line)
    if kept:
        store.put(kept_key, encode_png(image))
    return image


def _as_stored(png: bytes) -> np.ndarray:
    """The channels that were stored: an opaque image of a dataset with alpha keeps its alpha."""
    opened = read_header(png)
    with decoding(opened):
        return np.asarray(opened.load(0, FULL_DEPTH))
