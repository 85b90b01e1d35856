"""Pictures and masks of a dataset as edits need them; the donors' are kept, as far as some memory goes."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.masks import read_mask
from defectory.datasets.pictures import image_of, memory_of, picture_of
from defectory.storage.fetching import verified
from defectory.storage.store import ObjectStore
from orchestrator.edits.operations import Picture
from orchestrator.edits.patches import Patch

KEPT_BYTES = 128 << 20
Kept = TypeVar("Kept", Picture, Patch)


def read_picture(store: ObjectStore, line: ManifestLine) -> np.ndarray:
    """A line's picture as its dataset has it: uint8 (H, W, C), C 1, 3 or 4.

    Raises:
        Corrupted, NotFound, InvalidInput, Exhausted: it is not there, is another, cannot be read, or is too large.
    """
    with memory_of(line):
        pixels = np.asarray(image_of(picture_of(store, line), line))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def read_line_mask(store: ObjectStore, line: ManifestLine) -> np.ndarray | None:
    """A line's mask, bool (H, W); None where it has none. Raises as `read_picture`."""
    if line.mask is None:
        return None
    content = verified(store.get(store.key(line.mask.uri)), line.mask.uri, line.mask.sha256)
    return np.asarray(read_mask(content, line.file.width, line.file.height)) > 0


def without_alpha(pixels: np.ndarray) -> np.ndarray:
    """Its colours alone, uint8 (H, W, 1 or 3)."""
    return pixels[..., :3] if pixels.shape[2] == 4 else pixels


def with_alpha_of(pixels: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Edited colours with the alpha that the picture had, where it had one."""
    return np.dstack([pixels, whole[..., 3]]) if whole.shape[2] == 4 else pixels


class Memory(Generic[Kept]):
    """What was made last, as far as KEPT_BYTES go; threads share it, and may make the same thing twice."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Kept] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: tuple[str, int], make: Callable[[], Kept]) -> Kept:
        """What is kept under a key, else made now."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        kept = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = kept
                self._bytes += _size(kept)
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= _size(self._kept.popitem(last=False)[1])
        return kept


def _size(kept: Picture | Patch) -> int:
    mask = kept.mask.nbytes if kept.mask is not None else 0
    return kept.pixels.nbytes + mask + (kept.ground.nbytes if isinstance(kept, Patch) else 0)
