"""Which images every step shows: a function of seed and step alone, so that a resumed training shows the same."""

from collections.abc import Sequence

import numpy as np

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


def batches(
    is_photograph: np.ndarray,
    labels: np.ndarray,
    *,
    epoch: int,
    steps: int,
    batch: int,
    real_share: float | None,
    seed: int,
) -> np.ndarray:
    """Indices of one epoch, (steps, batch).

    Args:
        is_photograph: bool (N,), which training images are photographs; the others were made, by whichever means.
        labels: int (N,).
        epoch: counted from 0. steps: of an epoch. seed: of the cycle.
        real_share: least share of photographs among a label's draws, from the first draw on, where the label has both;
            labels are then drawn in turn, so that no label comes more often because images of it were made. None, or no
            image was made, or all were: all images as they come.
    """
    first, count = epoch * steps * batch, steps * batch
    everything = np.arange(len(labels))
    if real_share is None or is_photograph.all() or not is_photograph.any():
        return Stream(everything, seed).take(first, count).reshape(steps, batch)
    known = np.unique(labels)
    chosen = np.empty(count, dtype=int)
    for place, label in enumerate(known):
        turns = np.flatnonzero(np.arange(first, first + count) % len(known) == place)
        draws = (first + turns) // len(known)  # of this label, counted from 0 over the whole cycle
        own = [everything[(labels == label) & which] for which in (is_photograph, ~is_photograph)]
        share = real_share if all(map(len, own)) else float(len(own[0]) > 0)
        chosen[turns] = _shared(own, share, draws, seed + (int(label) << 24))
    return chosen.reshape(steps, batch)


def _shared(own: Sequence[np.ndarray], real_share: float, draws: np.ndarray, seed: int) -> np.ndarray:
    """Indices of a label's draws, of photographs and of made images; made ones are never ahead of their share.

    Args:
        own: (photographs, made images). draws: consecutive numbers.
    """
    before = np.floor(draws * (1 - real_share) + EPSILON).astype(int)  # made ones drawn before each draw
    is_made = np.floor((draws + 1) * (1 - real_share) + EPSILON).astype(int) > before
    chosen = np.empty(len(draws), dtype=int)
    for kind, which, ordinal in ((0, ~is_made, draws - before), (1, is_made, before)):
        if which.any():
            numbers = ordinal[which]
            chosen[which] = Stream(own[kind], seed + (kind << 20)).take(int(numbers[0]), len(numbers))
    return chosen
