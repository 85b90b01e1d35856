"""Significance, against SciPy and statsmodels where those are right, and exact enumeration where they are not."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from defectory.errors import InvalidInput
from orchestrator.proof.significance import bootstrap_p, holm, sign_flip_p, smallest_p


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    adjusted = holm({str(i): p for i, p in enumerate(values)})
    assert list(adjusted.values()) == pytest.approx(list(multipletests(values, method="holm")[1]))


@given(st.lists(st.floats(1e-3, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_by_bonferroni(values: list[float]) -> None:
    adjusted = holm({str(i): p for i, p in enumerate(values)})
    for i in range(len(values)):
        sets = [s for n in range(1, len(values) + 1) for s in itertools.combinations(range(len(values)), n) if i in s]
        assert adjusted[str(i)] == pytest.approx(max(min(1.0, len(s) * min(values[j] for j in s)) for s in sets))


def test_holm_takes_no_nan() -> None:
    with pytest.raises(InvalidInput, match="p of same is nan"):
        holm({"same": math.nan, "other": 0.01})


def test_arms_that_are_equal_have_a_p_of_one_where_a_t_test_has_none() -> None:
    assert math.isnan(stats.ttest_1samp(np.zeros(5), 0).pvalue)
    assert sign_flip_p(np.zeros(5)) == 1
    assert bootstrap_p(np.zeros(100)) == 1


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=1, max_size=9))
def test_signs_are_enumerated(values: list[float]) -> None:
    sums = [
        sum(s * v for s, v in zip(signs, values, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(values))
    ]
    expected = np.mean([abs(s) >= abs(sum(values)) - 1e-9 for s in sums])
    assert sign_flip_p(np.array(values)) == pytest.approx(expected)


def test_signs_of_many_pairs_agree_with_scipy() -> None:
    values = np.random.default_rng(1).normal(0.25, 1, 40)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(2)
    ).pvalue
    assert sign_flip_p(values) == pytest.approx(theirs, abs=0.01)


@pytest.mark.parametrize("pairs", [1, 3, 5, 8])
def test_no_test_of_few_pairs_gives_less_than_is_said_before(pairs: int) -> None:
    gains = np.linspace(1, 2, pairs)
    assert sign_flip_p(gains) == smallest_p(pairs)
    assert smallest_p(pairs) == pytest.approx(stats.wilcoxon(gains).pvalue)
