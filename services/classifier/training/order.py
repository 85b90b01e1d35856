"""Which images every step shows: a function of seed and step alone, so that a resumed training shows the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from defectory.datasets.manifest_line import ManifestLine

EPSILON = 1e-9  # of draws: a share such as 0.9 is no binary fraction


class Stream:
    """An endless sequence of shuffled passes over some indices."""

    def __init__(self, indices: np.ndarray, seed: int) -> None:
        self._indices = indices
        self._seed = seed

    def take(self, start: int, count: int) -> np.ndarray:
        """`count` indices from position `start` on."""
        size = len(self._indices)
        first, last = start // size, (start + count - 1) // size
        passes = [
            self._indices[np.random.default_rng([self._seed, number]).permutation(size)]
            for number in range(first, last + 1)
        ]
        offset = start - first * size
        return np.concatenate(passes)[offset : offset + count]


@dataclass(frozen=True)
class Drawable:
    """What is known of N training images where the next ones are drawn.

    Attributes:
        labels: int (N,).
        is_photograph: bool (N,), which are photographs; the others were made, by whichever means.
        kinds: str (N,), which defect of its label an image shows; "": none, or nobody says which.
    """

    labels: np.ndarray
    is_photograph: np.ndarray
    kinds: np.ndarray

    @classmethod
    def of(cls, lines: Sequence[ManifestLine], labels: np.ndarray) -> "Drawable":
        """The images of a manifest's lines."""
        is_photograph = np.array([line.is_photograph for line in lines], bool)
        return cls(labels, is_photograph, np.array([line.kind for line in lines], str))


def batches(images: Drawable, *, epoch: int, steps: int, batch: int, real_share: float | None, seed: int) -> np.ndarray:
    """Indices of one epoch, (steps, batch).

    With a share labels are drawn in turn, so that no label comes more often because images of it were made. And within
    a label every kind of defect is drawn as often as its photographs are, and has the share by itself: made images of
    one kind take no draw from another's photographs. Made images of a kind that no photograph shows, or of none that is
    known, are any kind's.

    Args:
        epoch: counted from 0. steps: of an epoch. seed: of the cycle.
        real_share: least share of photographs among a kind's draws, from the first draw on, where there are both; 0:
            made images alone. None, or no image was made, or all were: all images as they come.
    """
    first, count = epoch * steps * batch, steps * batch
    if real_share is None or images.is_photograph.all() or not images.is_photograph.any():
        return Stream(np.arange(len(images.labels)), seed).take(first, count).reshape(steps, batch)
    known = np.unique(images.labels)
    chosen = np.empty(count, dtype=int)
    for place, label in enumerate(known):
        turns = np.flatnonzero(np.arange(first, first + count) % len(known) == place)
        draws = (first + turns) // len(known)  # of this label, counted from 0 over the whole cycle
        if len(draws):
            chosen[turns] = _of_label(images, int(label), draws, real_share, seed + (int(label) << 24))
    return chosen.reshape(steps, batch)


def _of_label(images: Drawable, label: int, draws: np.ndarray, real_share: float, seed: int) -> np.ndarray:
    """Indices of a label's draws, consecutive numbers."""
    photographs, made_ones = (
        np.flatnonzero((images.labels == label) & which) for which in (images.is_photograph, ~images.is_photograph)
    )
    if not len(photographs) or not len(made_ones):
        return Stream(photographs if len(photographs) else made_ones, seed).take(int(draws[0]), len(draws))
    chosen = np.empty(len(draws), dtype=int)
    for number, (kind, places, ordinals) in enumerate(_kinds(images.kinds[photographs], draws, seed)):
        own = images.kinds[made_ones] == kind
        anyones = ~np.isin(images.kinds[made_ones], images.kinds[photographs])
        of_kind = photographs[images.kinds[photographs] == kind], made_ones[own | anyones]
        chosen[places] = _shared(of_kind, real_share, ordinals, seed + (number << 12))
    return chosen


def _kinds(kinds: np.ndarray, draws: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(kind, places among the draws, their numbers among all draws of the kind) of every kind that photographs show.

    A pass over the photographs, shuffled, says of which kind a draw is: so every kind comes as often as its photographs
    would, and how many draws of it there were before a pass is known.
    """
    size = len(kinds)
    passes = int(draws[0]) // size
    order = kinds[Stream(np.arange(size), seed).take(passes * size, int(draws[-1]) + 1 - passes * size)]
    skipped = int(draws[0]) - passes * size  # of the first pass, which the draws are behind
    for kind in np.unique(kinds):
        places = np.flatnonzero(order == kind)
        numbers = passes * int((kinds == kind).sum()) + np.arange(len(places))
        inside = places >= skipped
        if inside.any():
            yield str(kind), places[inside] - skipped, numbers[inside]


def _shared(own: Sequence[np.ndarray], real_share: float, draws: np.ndarray, seed: int) -> np.ndarray:
    """Indices of a kind's draws, of photographs and of made images; made ones are never ahead of their share.

    Args:
        own: (photographs, made images); without made ones photographs alone. draws: consecutive numbers.
    """
    share = real_share if len(own[1]) else 1.0
    before = np.floor(draws * (1 - share) + EPSILON).astype(int)  # made ones drawn before each draw
    is_made = np.floor((draws + 1) * (1 - share) + EPSILON).astype(int) > before
    chosen = np.empty(len(draws), dtype=int)
    for kind, which, ordinal in ((0, ~is_made, draws - before), (1, is_made, before)):
        if which.any():
            numbers = ordinal[which]
            chosen[which] = Stream(own[kind], seed + (kind << 20)).take(int(numbers[0]), len(numbers))
    return chosen
