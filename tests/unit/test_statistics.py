"""Intervals against SciPy's and R's own, and where they must not leave what a figure can be."""

import numpy as np
import pytest
from scipy import special, stats

from defectory.statistics import (
    DIFFERENCE,
    LOSS,
    SHARE,
    bounds_of,
    mean_interval,
    rate_interval,
    weighted_sum_interval,
)


def ends_of(values: object, bounds: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    ends = mean_interval(np.asarray(values), bounds)
    assert ends is not None
    return ends


@pytest.mark.parametrize("bounds", [SHARE, DIFFERENCE, LOSS])
def test_of_a_small_spread_far_from_the_bounds_it_is_students_over_every_column(bounds: tuple[float, float]) -> None:
    values = 0.4 + 1e-4 * np.random.default_rng(0).normal(size=(5, 3))
    low, high = ends_of(values, bounds)
    for column, *ends in zip(values.T, low, high, strict=True):
        expected = stats.t.interval(0.95, len(column) - 1, column.mean(), stats.sem(column))
        np.testing.assert_allclose(ends, expected, atol=1e-6)


def test_the_ends_lie_evenly_around_the_mean_on_the_logit_scale() -> None:
    values = np.array([0.9, 0.97, 0.99, 1.0])
    low, high = ends_of(values, SHARE)
    mean = values.mean()
    half = stats.t.ppf(0.975, 3) * stats.sem(values) / (mean * (1 - mean))
    np.testing.assert_allclose(special.logit([low, high]), special.logit(mean) + np.array([-half, half]))


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        ([0.0, 0.5, 1.0], SHARE), ([0.05, 0.95, 1.0], SHARE), ([1.0, 1.0, 0.9], SHARE), ([1.0, 1.0, 1.0], SHARE),
        ([0.0, 0.0, 0.0], SHARE), ([-1.0, 1.0, 0.9], DIFFERENCE), ([0.0, 0.01, 2.0], LOSS), ([0.0, 0.0, 0.0], LOSS),
    ],
)  # fmt: skip
def test_no_end_is_impossible(values: list[float], bounds: tuple[float, float]) -> None:
    low, high = ends_of(values, bounds)
    assert bounds[0] <= low <= np.mean(values) <= high <= bounds[1]


def test_below_three_cycles_there_is_none() -> None:
    assert mean_interval(np.array([0.5]), SHARE) is None
    assert mean_interval(np.array([[0.5, 0.6], [0.7, 0.9]]), SHARE) is None


def test_only_a_loss_may_be_above_one() -> None:
    assert bounds_of("loss") == (0, np.inf)
    assert {bounds_of(metric) for metric in ("f1", "accuracy", "precision", "recall")} == {(0, 1)}


@pytest.mark.parametrize(("count", "of"), [(0, 1), (1, 1), (0, 30), (30, 30), (1, 2), (17, 400), (4999, 5000)])
def test_of_a_rate_it_is_clopper_and_pearsons_exact_one(count: int, of: int) -> None:
    expected = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
    assert rate_interval(count, of) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_of_one_rate_a_weighted_sum_has_its_interval_and_of_two_at_least_the_wider_one() -> None:
    rates, ends = np.array([0.1, 0.5]), np.array([[0.05, 0.4], [0.2, 0.6]])
    assert weighted_sum_interval(np.array([3.0, 0.0]), rates, ends) == (pytest.approx(0.15), pytest.approx(0.6))
    # By hand: 0.8 - sqrt(0.15^2 + 0.1^2) and 0.8 + sqrt(0.3^2 + 0.1^2).
    assert weighted_sum_interval(np.array([3.0, 1.0]), rates, ends) == (
        pytest.approx(0.8 - 0.0325**0.5), pytest.approx(0.8 + 0.1**0.5),
    )  # fmt: skip


def test_a_weighted_sum_lies_in_its_interval_as_often_as_it_claims() -> None:
    rng, weights, truth, of = np.random.default_rng(0), np.array([50.0, 99.0]), np.array([0.1, 0.05]), (40, 200)
    inside = []
    for counts in rng.binomial(of, truth, (2_000, 2)):
        ends = np.array([rate_interval(int(count), n) for count, n in zip(counts, of, strict=True)]).T
        low, high = weighted_sum_interval(weights, counts / of, ends)
        inside.append(low <= weights @ truth <= high)
    assert 0.94 < np.mean(inside) < 0.99
