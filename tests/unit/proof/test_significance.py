"""Significance, against SciPy and statsmodels where those are right, and exact enumeration where they are not."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from defectory.errors import InvalidInput
from orchestrator.proof.judgement import Interval, Rules, judge
from orchestrator.proof.outcomes import ArmOutcome, FoldOutcome
from orchestrator.proof.resampling import drawn
from orchestrator.proof.scores import accuracy
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


def test_classifiers_that_never_disagree_do_not_differ_where_chi_square_says_they_surely_do() -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        assert mcnemar([[2, 0], [0, 1]], exact=False).pvalue == 0
    assert sign_flip_p(np.zeros(3)) == bootstrap_p(np.zeros(100)) == 1


def test_an_arm_that_changed_nothing_is_not_rejected_beside_others_as_a_correction_of_nan_does() -> None:
    changed_nothing = stats.ttest_1samp(np.zeros(5), 0).pvalue
    rejected, _, _, _ = multipletests([0.01, changed_nothing], method="holm")
    assert list(rejected) == [True, True], "the second arm is the reference to the bit"
    assert holm({"other": 0.01, "same": sign_flip_p(np.zeros(5))}) == {"other": 0.02, "same": 1}


def test_constant_values_have_an_interval_where_bca_has_none() -> None:
    constant = np.full(8, 0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = stats.bootstrap((constant,), np.mean, method="BCa", n_resamples=200, rng=0).confidence_interval
    assert math.isnan(theirs.low)
    folds = [fold_of_one_decision(right=True) for _ in range(4)]
    proof = judge([ArmOutcome("a", folds), ArmOutcome("b", folds)], {"accuracy": accuracy}, Rules("accuracy", "a"))
    assert proof.scores["b"]["accuracy"] == Interval(1.0, 1.0, 1.0)
    assert proof.differences["b"].gain == Interval(0.0, 0.0, 0.0)
    assert proof.differences["b"].corrected == 1


def fold_of_one_decision(*, right: bool) -> FoldOutcome:
    """A fold of two parts, one good and one of a defect, both told rightly or both wrongly."""
    truth = np.array([0, 1])
    decided = truth[None] if right else 1 - truth[None]
    return FoldOutcome(
        truth, np.arange(2), decided, decided.astype(float), decided > 0, decided, np.array(["", "crack"])
    )


@pytest.mark.parametrize("rights", [(True, True, False), (True, False, False, False), (True,) * 3])
def test_folds_are_drawn_as_their_enumeration_says(rights: tuple[bool, ...]) -> None:
    """All draws of so many folds with replacement are equally likely: the share right among them is enumerated."""
    folds = [fold_of_one_decision(right=right) for right in rights]
    replicates = accuracy(ArmOutcome("arm", folds), drawn(folds, seed=0, replicates=20_000))
    exact = [np.mean(draw) for draw in itertools.product(rights, repeat=len(rights))]
    for value in set(exact):
        share = np.mean(np.isclose(exact, value))
        assert np.mean(np.isclose(replicates, value)) == pytest.approx(share, abs=0.012)
    assert np.mean(replicates) == pytest.approx(np.mean(exact), abs=0.01)
