"""Pictures that look alike to the judge: nearest by cosine in the features that it left in the store, exact."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from defectory.storage.store import ObjectStore
from orchestrator.review.subject import Subject

BLOCK = 4096  # rows read at once: 20 MB of 1280 channels
NOT_SCORED = "nobody has scored these pictures, so there are no features to compare them by"
NOT_THIS = "this picture has no features: the judge could not read it, or never saw it"


@dataclass(frozen=True)
class Features:
    """What the judge sees of pictures.

    Attributes:
        files: arrays (n, channels), float32, of the same channels. places: sha256 -> (file, row).
    """

    files: tuple[np.ndarray, ...]
    places: dict[str, tuple[int, int]]

    def of(self, sha256: str) -> np.ndarray | None:
        """Unit vector (channels,), or None where there is none."""
        place = self.places.get(sha256)
        if place is None:
            return None
        row = np.asarray(self.files[place[0]][place[1]], np.float64)
        return row / max(float(np.linalg.norm(row)), 1e-12)


def read_features(store: ObjectStore, subject: Subject) -> Features:
    """Features of all that a run's judge has scored; none where there was no judge.

    They are mapped from files, not held: of 50,000 pictures they are 256 MB.
    """
    if not subject.judge:
        return Features((), {})
    files: list[np.ndarray] = []
    places: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for info in list(store.list(f"scores/{subject.judge}/")):
            embeddings = info.key.removesuffix("scores.jsonl") + "embeddings.npy"
            if not info.key.endswith("/scores.jsonl") or not store.exists(embeddings):
                continue
            path = Path(folder, f"{len(files)}.npy")
            store.get_file(embeddings, path)
            for row, line in enumerate(store.get(info.key).splitlines()):
                places.setdefault(str(json.loads(line)["sha256"]), (len(files), row))
            files.append(np.load(path, mmap_mode="r", allow_pickle=False))  # readable also when it has lost its name
    return Features(tuple(files), places)


def nearest(features: Features, shas: Sequence[str], to: str, count: int) -> list[tuple[int, float]]:
    """(index of `shas`, cosine distance in [0, 2]) of the pictures most like another one, the nearest first.

    Args:
        to: sha256 of the picture, which has features. It is its own nearest where it is among `shas`.
    """
    own = features.of(to)
    if own is None:
        return []
    distances = np.full(len(shas), np.inf)
    places = [features.places.get(sha) for sha in shas]
    for number, file in enumerate(features.files):
        known = [(at, place[1]) for at, place in enumerate(places) if place and place[0] == number]
        for start in range(0, len(known), BLOCK):
            at, rows = (np.array(part) for part in zip(*known[start : start + BLOCK], strict=True))
            block = np.asarray(file[rows], np.float32)
            lengths = np.maximum(np.linalg.norm(block, axis=1), 1e-12)
            distances[at] = 1 - (block @ own.astype(np.float32)) / lengths
    order = np.argsort(distances, kind="stable")[:count]
    return [(int(at), max(float(distances[at]), 0.0)) for at in order if np.isfinite(distances[at])]
