"""What a base that stands still makes of pictures: computed once a picture, base and view, and kept for whoever asks.

Features lie in shards, a file of them and a list of whose they are:

    features/<base>/<input recipe>/<view>/<shard>.npy     float32 (N, channels)
    features/<base>/<input recipe>/<view>/<shard>.json    {"pictures": [sha256, …]}, in the order of the rows

A shard is there once its list is, and its name is the hash of both: writers at the same time do not meet, and what is
broken is found. All of it may be deleted: features are computed again.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import Corrupted, NotFound
from defectory.phases import each, phase
from defectory.storage.parallel import in_order
from defectory.storage.store import ObjectStore
from services.classifier.card import Preprocessing
from services.classifier.data import input_recipe, load_images
from services.classifier.training.moves import Moves, View

AS_IT_IS = View()
BLOCK_BYTES = 64 << 20  # of pixels in memory at once, and what a kill loses
BATCH = 64  # images; how many are embedded at once changes no bit of any

log = structlog.get_logger(__name__)
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Base:
    """A base that stands still.

    Attributes:
        sha256: of its weights. input_px: side of its images. channels: of its features.
        embed: images (N, input_px, input_px, 3) in [0, 255] -> features (N, channels).
    """

    sha256: str
    input_px: int
    channels: int
    embed: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Features:
    """Features of the lines whose pictures could be read, float32 (N, views, channels); the others, with the reason."""

    lines: list[ManifestLine]
    values: np.ndarray
    skipped: list[tuple[str, str]]


def features_of(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    base: Base,
    preprocessing: Preprocessing,
    views: Sequence[View] = (AS_IT_IS,),
    report: Report = lambda done, total: None,
) -> Features:
    """Features of every line's picture in every view, those that are kept already and, of all others, new ones.

    A picture whose features are kept is not read again.

    Raises: as `load_images`.
    """
    first = {line.file.sha256: line for line in reversed(lines)}  # pictures that are repeated are looked at once
    row = {sha256: number for number, sha256 in enumerate(first)}
    values = np.empty((len(row), len(views), base.channels), np.float32)
    known = np.zeros((len(row), len(views)), bool)
    kept = [_Kept(store, base, preprocessing, view) for view in views]
    for number, shards in enumerate(kept):
        shards.fill(row, values[:, number], known[:, number])
    absent = [line for sha256, line in first.items() if not known[row[sha256]].all()]
    block = max(1, BLOCK_BYTES // (3 * base.input_px**2))
    reasons: dict[str, str] = {}
    for start in range(0, len(absent), block):
        there = len(first) - len(absent) + start
        report(there, len(first))
        images = load_images(store, absent[start : start + block], base.input_px, preprocessing)
        skipped = dict(images.skipped)
        reasons |= {line.file.sha256: skipped[line.file.uri] for line in absent[start : start + block]
                    if line.file.uri in skipped}  # fmt: skip
        sha256s = [line.file.sha256 for line in images.lines]
        rows = np.array([row[sha256] for sha256 in sha256s], dtype=int)
        for number, view in enumerate(views):
            new = np.flatnonzero(~known[rows, number])
            of = [sha256s[i] for i in new]

            def embedding(share: float, number: int = number, there: int = there, count: int = len(rows)) -> None:
                report(there + int(count * (number + share) / len(views)), len(first))

            embedded = _embedded(base, images.pixels, new, view.moves(of, base.input_px) if of else None, embedding)
            values[rows[new], number] = embedded
            kept[number].write(of, embedded)
    report(len(first), len(first))
    read = [line for line in lines if line.file.sha256 not in reasons]
    return Features(
        read,
        values[[row[line.file.sha256] for line in read]],
        [(line.file.uri, reasons[line.file.sha256]) for line in lines if line.file.sha256 in reasons],
    )


def _embedded(
    base: Base, pixels: np.ndarray, chosen: np.ndarray, moves: Moves | None, report: Callable[[float], None]
) -> np.ndarray:
    """Features (n, channels) of some images, moved or not; which share of them is there is reported batch by batch."""
    parts = [np.empty((0, base.channels), np.float32)]
    for start in range(0, len(chosen), BATCH):
        report(start / len(chosen))
        few = slice(start, start + BATCH)
        images = pixels[chosen[few]]
        if moves is not None:
            images = _moved(images, moves.transforms[few], moves.light[few])
        parts.append(base.embed(images))
    return np.concatenate(parts)


def _moved(images: np.ndarray, transforms: np.ndarray, light: np.ndarray) -> np.ndarray:
    """As a training moves them in its steps."""
    from services.classifier.training.augment import apply_moves  # TensorFlow, which nobody else here needs

    moved: np.ndarray = apply_moves(images.astype(np.float32), transforms, light).numpy()
    return moved


class _Kept:
    """The shards of one base, input and view."""

    def __init__(self, store: ObjectStore, base: Base, preprocessing: Preprocessing, view: View) -> None:
        self._store, self._channels = store, base.channels
        recipe = input_recipe(base.input_px, preprocessing)
        self._prefix = f"features/{base.sha256[:32]}/{recipe}/{view.name}/"

    def fill(self, row: Mapping[str, int], values: np.ndarray, known: np.ndarray) -> None:
        """Fill in what is kept.

        Args:
            row: sha256 -> place of its features. values: (N, channels). known: (N,) bool, which are there.
        """
        shards = [
            info.key.removesuffix(".json") for info in self._store.list(self._prefix) if info.key.endswith(".json")
        ]
        for pictures, features in each("reading", in_order(lambda shard: self._read(shard, row), shards)):
            for place, sha256 in enumerate(pictures):
                if sha256 in row:
                    values[row[sha256]], known[row[sha256]] = features[place], True

    @phase("writing")
    def write(self, sha256s: Sequence[str], features: np.ndarray) -> None:
        """Keep the features (N, channels) of pictures."""
        if not sha256s:
            return
        whose = json.dumps({"pictures": list(sha256s)}).encode()
        buffer = io.BytesIO()
        np.save(buffer, features, allow_pickle=False)
        shard = self._prefix + _name(whose, buffer.getvalue())
        self._store.put(f"{shard}.npy", buffer.getvalue())
        self._store.put(f"{shard}.json", whose)

    def _read(self, shard: str, wanted: Mapping[str, int]) -> tuple[list[str], np.ndarray]:
        """(pictures, features) of a shard; none where none of its pictures is wanted, or it is broken."""
        nothing: tuple[list[str], np.ndarray] = [], np.empty((0, self._channels), np.float32)
        try:
            whose = self._store.get(f"{shard}.json")
            pictures: list[str] = json.loads(whose)["pictures"]
            if wanted.keys().isdisjoint(pictures):
                return nothing
            data = self._store.get(f"{shard}.npy")
            if not shard.endswith(_name(whose, data)):
                raise Corrupted("it was changed")
            features = np.load(io.BytesIO(data), allow_pickle=False)
            if features.shape != (len(pictures), self._channels) or features.dtype != np.float32:
                raise Corrupted(f"it holds {features.dtype}{features.shape}")
        except NotFound:
            return nothing  # somebody tidied up
        except (Corrupted, ValueError, TypeError, KeyError) as error:
            log.warning("kept features are broken: they are computed again", shard=shard, error=str(error))
            self._store.delete(f"{shard}.json")
            self._store.delete(f"{shard}.npy")
            return nothing
        return pictures, features


def _name(whose: bytes, data: bytes) -> str:
    return hashlib.sha256(whose + data).hexdigest()[:32]
