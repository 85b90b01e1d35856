"""Intervals against scipy's own."""

import numpy as np
from scipy import stats

from defectory.statistics import student_half_width


def test_the_interval_is_scipys_over_every_column() -> None:
    values = np.random.default_rng(0).normal(size=(5, 3))
    halves = student_half_width(values)
    assert halves.shape == (3,)
    for column, half in zip(values.T, halves, strict=True):
        low, high = stats.t.interval(0.95, len(column) - 1, column.mean(), stats.sem(column))
        np.testing.assert_allclose([column.mean() - half, column.mean() + half], [low, high])
