"""Which images every step shows: a function of seed and step alone, so that a resumed training shows the same."""

import numpy as np


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
    is_real: np.ndarray, *, epoch: int, steps: int, batch: int, real_share: float | None, seed: int
) -> np.ndarray:
    """Indices of one epoch, (steps, batch).

    Args:
        is_real: bool (N,), which training images are real.
        epoch: counted from 0. steps: of an epoch. seed: of the cycle.
        real_share: share of real images in every batch, at least one of each kind below 1 (which takes a batch of 2);
            1: real images only; None, or a set of one kind only: as they come.
    """
    everything = np.arange(len(is_real))
    if real_share == 1 and is_real.any():
        everything = everything[is_real]
    if real_share in (None, 1) or is_real.all() or not is_real.any():
        return Stream(everything, seed).take(epoch * steps * batch, steps * batch).reshape(steps, batch)
    real = min(batch - 1, max(1, round(real_share * batch)))
    parts = [
        Stream(everything[chosen], seed + kind).take(epoch * steps * size, steps * size).reshape(steps, size)
        for kind, chosen, size in ((0, is_real, real), (1 << 20, ~is_real, batch - real))
    ]
    return np.concatenate(parts, axis=1)
