"""Intervals of a few repetitions."""

import numpy as np
from scipy import stats


def student_half_width(values: np.ndarray) -> np.ndarray:
    """Half of the 95% interval of the mean by Student's t, over the first axis: two repetitions at least.

    Args:
        values: (N, ...), N >= 2.

    Returns:
        float64 (...).
    """
    array = np.asarray(values, dtype=float)
    count = len(array)
    return np.asarray(stats.t.ppf(0.975, count - 1) * array.std(axis=0, ddof=1) / np.sqrt(count))
