"""Intervals that stay where their figures can lie: of means over training cycles, and of rates over parts."""

import math

import numpy as np
from scipy import special  # scipy.stats would say the same, and takes 37 MB of every process

CONFIDENCE = 0.95
FEWEST_CYCLES = 3  # below it the spread is not known: the single values are shown, and no interval
Bounds = tuple[float, float]
SHARE: Bounds = (0.0, 1.0)
LOSS: Bounds = (0.0, math.inf)
DIFFERENCE: Bounds = (-1.0, 1.0)  # of two shares


def bounds_of(metric: str) -> Bounds:
    """Where a classifier's metric can lie: a loss has no upper bound, all others are shares."""
    return LOSS if metric == "loss" else SHARE


def mean_interval(values: np.ndarray, bounds: Bounds = SHARE) -> tuple[np.ndarray, np.ndarray] | None:
    """The 95% interval of a mean over training cycles, within bounds; None below FEWEST_CYCLES.

    Student's t on the scale that has no bounds: the logit of a figure with two, the logarithm of one with a lower
    bound only. The standard error is carried there by the delta method at the mean (Agresti, Categorical Data Analysis,
    3rd ed., section 16.1), so that a single cycle on the bound itself does no harm and the mean lies in its interval.

    Args:
        values: (N, ...), each within the bounds. bounds: (lowest, highest); the highest may be infinite.

    Returns:
        (lower ends, upper ends), float64 (...) each.
    """
    array = np.asarray(values, dtype=float)
    count = len(array)
    if count < FEWEST_CYCLES:
        return None
    lowest, highest = bounds
    mean = array.mean(axis=0)
    half = special.stdtrit(count - 1, (1 + CONFIDENCE) / 2) * array.std(axis=0, ddof=1) / math.sqrt(count)
    above, below = mean - lowest, highest - mean
    inside = (above > 0) & (below > 0)  # on a bound all cycles are alike
    above = np.where(inside, above, 1.0)
    if math.isinf(highest):
        ends = [lowest + above * np.exp(sign * half / above) for sign in (-1, 1)]
    else:
        below, width = np.where(inside, below, 1.0), highest - lowest
        ends = [
            lowest + width * special.expit(np.log(above / below) + sign * half * width / (above * below))
            for sign in (-1, 1)
        ]
    low, high = (np.where(inside, end, mean) for end in ends)
    return low, high


def rate_interval(count: float, of: float) -> tuple[float, float]:
    """The 95% interval of a rate by Clopper and Pearson: it holds the true rate at least so often.

    Its ends are quantiles of beta distributions (Brown, Cai and DasGupta, Interval Estimation for a Binomial
    Proportion, 2001, section 4.2.1).

    Args:
        count: of the `of` >= 1 that were looked at; neither need be whole, of what is not independent.
    """
    tail = (1 - CONFIDENCE) / 2
    low = special.betaincinv(count, of - count + 1, tail) if count else 0.0
    high = special.betaincinv(count + 1, of - count, 1 - tail) if count < of else 1.0
    return float(low), float(high)


def weighted_sum_interval(weights: np.ndarray, rates: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95% interval of a weighted sum of independent rates, from each one's own.

    Distances from the rates to their ends are added as variances are (Zou and Donner, Construction of confidence limits
    about effect measures: a general approach, 2008): where no mistake was seen, the sum has a width all the same.

    Args:
        weights: (K,), at least 0. rates: (K, …). ends: (2, K, …), the lower and the upper ones.

    Returns:
        (lower ends, upper ends), (…) each.
    """
    total = np.tensordot(weights, rates, axes=1)
    below, above = (np.sqrt(np.tensordot(weights**2, (rates - end) ** 2, axes=1)) for end in ends)
    return total - below, total + above
