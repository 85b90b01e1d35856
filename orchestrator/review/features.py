"""What the judge sees of pictures: the features that it left in the store, in one file that is read in blocks."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from defectory.storage.store import ObjectStore
from orchestrator.review.subject import Subject

BLOCK = 1024  # rows in memory at once: 5 MB of 1280 channels
NOT_SCORED = "nobody has scored these pictures, so there are no features to compare them by"
NOT_THIS = "this picture has no features: the judge could not read it, or never saw it"
TINY = 1e-12  # length below which a vector counts as that long


class Features:
    """Unit vectors of pictures. They are read, not mapped: however many there are, memory holds the blocks in use.

    Args:
        file: float32 rows (n, channels), one after the other. rows: sha256 -> row.
    """

    def __init__(self, file: IO[bytes], rows: dict[str, int], channels: int) -> None:
        self._file = file
        self._rows = rows
        self.channels = channels

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._rows

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def rows(self, shas: Iterable[str]) -> np.ndarray:
        """int64 (n,): where pictures stand; -1: it has no features."""
        return np.array([self._rows.get(sha, -1) for sha in shas], np.int64)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, channels) of the rows (n,), in their order; neighbours in the file are read at once."""
        block = np.empty((len(rows), self.channels), np.float32)
        ends = np.flatnonzero(np.diff(rows, append=-2) != 1) + 1
        for start, stop in zip((0, *ends), ends, strict=False):
            os.preadv(self._file.fileno(), [block[start:stop].data.cast("B")], int(rows[start]) * block.strides[0])
        return block

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """(place in `rows`, their vectors), block by block."""
        for start in range(0, len(rows), BLOCK):
            place = slice(start, min(start + BLOCK, len(rows)))
            yield place, self.take(rows[place])


def read_features(store: ObjectStore, subject: Subject) -> Features:
    """Features of a subject's pictures, and of the photographs that they are compared with; none without a judge."""
    wanted = {line.file.sha256 for line in (*subject.lines, *subject.photographs)}
    rows: dict[str, int] = {}
    channels = 0
    with ExitStack() as failing, tempfile.TemporaryDirectory() as folder:
        packed = failing.enter_context(tempfile.TemporaryFile())
        for scores, embeddings in _scored(store, subject.judge):
            path = Path(folder, "embeddings.npy")
            store.get_file(embeddings, path)
            chosen = []
            for row, line in enumerate(store.get(scores).splitlines()):
                sha = str(json.loads(line)["sha256"])
                if sha in wanted and sha not in rows:
                    rows[sha] = len(rows)
                    chosen.append(row)
            for start in range(0, len(chosen), BLOCK):
                block = _rows(path, chosen[start : start + BLOCK])
                channels = block.shape[1]
                packed.write((block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), TINY)).tobytes())
        packed.flush()
        failing.pop_all()  # the features close it
    return Features(packed, rows, channels)


def _rows(path: Path, rows: list[int]) -> np.ndarray:
    """float32 (n, channels) of an array's file, which is mapped no longer than this takes: pages are memory."""
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.array(mapped[rows], np.float32)


def _scored(store: ObjectStore, judge: str) -> Iterator[tuple[str, str]]:
    """(key of scores.jsonl, key of its embeddings.npy) of all that a judge has scored."""
    for info in list(store.list(f"scores/{judge}/")) if judge else []:
        embeddings = info.key.removesuffix("scores.jsonl") + "embeddings.npy"
        if info.key.endswith("/scores.jsonl") and store.exists(embeddings):
            yield info.key, embeddings
