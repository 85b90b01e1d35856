"""What a gain is worth in real photographs: how many more of them gain as much, by the same test's learning curve."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression


def worth(gains: np.ndarray, curve: np.ndarray, photographs: Sequence[float]) -> np.ndarray:
    """(B,): so many photographs more gain as much, in each of B replicates; nan where a replicate lacks a figure.

    The curve is made to rise first (isotonic regression: more photographs are taken to do no harm), and is straight
    between its points over the logarithm of the number of photographs, as learning curves about are (Viering & Loog
    2023, "The shape of learning curves", arXiv:2103.10948). A gain that the most photographs do not reach is worth as
    many as there are more: at least so many.

    Args:
        gains: (B,), of an arm over the reference.
        curve: (K, B), what more photographs gain over the few, from the few (zeros) to the most.
        photographs: of each point, rising; at least two.
    """
    at = np.asarray(photographs, dtype=float)
    return np.array([_worth(float(gain), of_one, at) for gain, of_one in zip(gains, curve.T, strict=True)])


def _worth(gain: float, curve: np.ndarray, photographs: np.ndarray) -> float:
    if np.isnan(gain) or np.isnan(curve).any():
        return np.nan
    if gain <= 0:
        return 0.0
    rising = isotonic_regression(np.maximum(curve - curve[0], 0)).x
    reached = np.flatnonzero(rising >= gain)
    if not len(reached):
        return float(photographs[-1] - photographs[0])
    place = int(reached[0])
    share = (gain - rising[place - 1]) / (rising[place] - rising[place - 1])
    low, high = np.log(photographs[place - 1 : place + 1])
    return float(np.exp(low + share * (high - low)) - photographs[0])
