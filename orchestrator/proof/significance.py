"""Tests that hold for few pairs and for ties, where common ones fail.

- Cycles that are all equal: a t-test's p is nan, and corrections for many tests then misread it. Here p is 1.
- Ranks or signs of five pairs can never give p below 0.0625: `smallest_p` says so before anything is run.
"""

import itertools
from collections.abc import Mapping

import numpy as np

from defectory.errors import InvalidInput

EXACT_UP_TO = 16  # pairs whose 65,536 signs are all looked at
DRAWS = 20_000  # of signs, of more pairs


def smallest_p(pairs: int) -> float:
    """The least two-sided p that a test of signs or ranks of so many pairs can give."""
    return min(1.0, 2.0 / 2.0**pairs)


def sign_flip_p(differences: np.ndarray, seed: int = 0) -> float:
    """Two-sided p of the mean of paired differences (N,), had each been as likely the other way round.

    Exact up to EXACT_UP_TO pairs; of more, DRAWS signs are drawn (Phipson & Smyth 2010: never 0).
    """
    values = np.asarray(differences, dtype=float)
    if not np.any(values):
        return 1.0
    observed = abs(values.sum()) * (1 - 1e-9)  # sums of the same numbers in another order are not equal to the bit
    if len(values) <= EXACT_UP_TO:
        signs = np.array(list(itertools.product((-1, 1), repeat=len(values))))
        return float(np.mean(np.abs(signs @ values) >= observed))
    signs = np.random.default_rng(seed).choice((-1, 1), size=(DRAWS, len(values)))
    return float((1 + np.sum(np.abs(signs @ values) >= observed)) / (1 + DRAWS))


def bootstrap_p(differences: np.ndarray) -> float:
    """Two-sided p of no difference by replicates of it (B,): twice the share on the other side of zero, never 0."""
    count = len(differences)
    beyond = min(int(np.sum(differences <= 0)), int(np.sum(differences >= 0)))
    return min(1.0, 2 * (1 + beyond) / (1 + count))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p values corrected for being many (Holm 1979): name -> p, at most 1, in the given order.

    Raises:
        InvalidInput: one is no probability, which a correction would pass on in silence.
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise InvalidInput(f"p of {name} is {p}: it is to be in [0, 1]", {"p_values": "in [0, 1]"})
    corrected: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
