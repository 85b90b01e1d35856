"""Scores for given weights, against scikit-learn with the photographs repeated as often as they are drawn."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics

from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.proof import scores
from orchestrator.proof.outcomes import ArmOutcome, FoldOutcome
from orchestrator.proof.resampling import FoldWeights, as_observed, drawn

LABELS = 3


def fold_of(rng: np.random.Generator, images: int, seeds: int) -> FoldOutcome:
    group = np.sort(rng.integers(0, max(images // 2, 1), images))
    group = np.unique(group, return_inverse=True)[1]
    score = rng.integers(0, 6, (seeds, images)) / 5  # with ties
    truth = rng.integers(0, LABELS, images)
    truth[:LABELS] = range(LABELS)
    decided, most_probable = rng.integers(0, LABELS, (2, seeds, images))
    kind = np.where(truth > 0, rng.choice(["crack", "dent"], images), "")
    return FoldOutcome(truth, group, decided, score, score > 0.5, most_probable, kind)


def arm_of(seed: int, folds: int = 3, seeds: int = 2, images: int = 30) -> ArmOutcome:
    rng = np.random.default_rng(seed)
    return ArmOutcome("arm", [fold_of(rng, images + number, seeds) for number in range(folds)])


def repeated(arm: ArmOutcome, weights: list[FoldWeights], replicate: int) -> tuple[np.ndarray, ...]:
    """Truth, decision and rejection of all photographs, each as often as it was drawn: seeds and folds one after the
    other."""
    truth, decided, rejected = [], [], []
    for fold, weight in zip(arm.folds, weights, strict=True):
        for number in range(fold.seeds):
            often = weight.fold[replicate] * weight.seeds[replicate, number] * weight.groups[replicate][fold.group]
            truth.append(np.repeat(fold.truth, often.astype(int)))
            decided.append(np.repeat(fold.decided[number], often.astype(int)))
            rejected.append(np.repeat(fold.rejected[number], often.astype(int)))
    return np.concatenate(truth), np.concatenate(decided), np.concatenate(rejected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_scores_of_counts_are_those_of_what_was_drawn(seed: int) -> None:
    arm = arm_of(seed)
    weights = drawn(arm.folds, seed, replicates=3)
    for replicate in range(3):
        truth, decided, rejected = repeated(arm, weights, replicate)
        labels = np.union1d(truth, decided)
        expected = metrics.f1_score(truth, decided, average="macro", labels=labels)
        assert scores.macro_f1(arm, weights)[replicate] == pytest.approx(expected)
        assert scores.accuracy(arm, weights)[replicate] == pytest.approx(np.mean(truth == decided))
        escapes, overkill = np.mean(~rejected[truth > 0]), np.mean(rejected[truth == 0])
        assert scores.escape_rate(arm, weights)[replicate] == pytest.approx(escapes, nan_ok=True)
        assert scores.overkill_rate(arm, weights)[replicate] == pytest.approx(overkill, nan_ok=True)
        cost = scores.cost_of(CostSettings(escape=50, overkill=1, defect_share=0.02))(arm, weights)[replicate]
        assert cost == pytest.approx(1000 * (0.02 * 50 * escapes + 0.98 * overkill), nan_ok=True)


@pytest.mark.parametrize(
    ("score", "theirs"),
    [(scores.auroc, metrics.roc_auc_score), (scores.average_precision, metrics.average_precision_score)],
)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
@example(seed=940)  # of one fold only defective photographs are drawn: their order says nothing, whatever it is
def test_scores_of_ranks_are_the_mean_over_classifiers(
    score: scores.Score, theirs: Callable[..., float], seed: int
) -> None:
    arm = arm_of(seed)
    weights = drawn(arm.folds, seed, replicates=2)
    for replicate in range(2):
        values, times = [], []
        for fold, weight in zip(arm.folds, weights, strict=True):
            images = weight.groups[replicate][fold.group]
            if len(set(fold.truth[images > 0] > 0)) < 2:
                continue
            for number in range(fold.seeds):
                times.append(weight.fold[replicate] * weight.seeds[replicate, number])
                values.append(theirs(fold.truth > 0, fold.score[number], sample_weight=images))
        expected = np.average(values, weights=times) if sum(times) else np.nan
        assert score(arm, weights)[replicate] == pytest.approx(expected, nan_ok=True)


def test_a_fold_of_which_only_defective_photographs_are_drawn_has_no_average_precision() -> None:
    arm = arm_of(5, folds=2, seeds=1)
    first, second = arm.folds
    assert set(first.group[first.truth > 0]) - set(first.group[first.truth == 0]), "a group without a good photograph"
    no_good = np.array([[group not in first.group[first.truth == 0] for group in range(first.groups)]], dtype=float)
    weights = [
        FoldWeights(np.ones(1), np.ones((1, 1)), no_good),
        FoldWeights(np.ones(1), np.ones((1, 1)), np.ones((1, second.groups))),
    ]
    of_second = metrics.average_precision_score(second.truth > 0, second.score[0])
    assert scores.average_precision(arm, weights)[0] == pytest.approx(of_second)
    assert np.isnan(scores.average_precision(ArmOutcome("arm", [first]), weights[:1])[0])


def test_what_was_observed_counts_once() -> None:
    arm = arm_of(3, folds=1, seeds=1)
    fold = arm.folds[0]
    expected = metrics.f1_score(fold.truth, fold.decided[0], average="macro")
    assert scores.macro_f1(arm, as_observed(arm.folds))[0] == pytest.approx(expected)


def test_as_many_are_drawn_as_there_are() -> None:
    arm = arm_of(4)
    for fold, weight in zip(arm.folds, drawn(arm.folds, 0, replicates=50), strict=True):
        assert (weight.groups.sum(axis=1) == fold.groups).all()
        assert (weight.seeds.sum(axis=1) == fold.seeds).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_what_is_caught_of_a_kind_is_its_share_among_what_was_drawn(seed: int) -> None:
    arm = arm_of(seed)
    weights = drawn(arm.folds, seed, replicates=2)
    for replicate in range(2):
        hits = of = 0.0
        for fold, weight in zip(arm.folds, weights, strict=True):
            for number in range(fold.seeds):
                often = weight.fold[replicate] * weight.seeds[replicate, number] * weight.groups[replicate][fold.group]
                shows = fold.kind == "crack"
                hits, of = hits + often[shows & (fold.decided[number] > 0)].sum(), of + often[shows].sum()
        expected = hits / of if of else np.nan
        assert scores.caught_of("crack")(arm, weights)[replicate] == pytest.approx(expected, nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_recall_at_little_overkill_is_the_best_point_of_the_roc_curve(seed: int) -> None:
    arm = arm_of(seed, folds=1, seeds=1)
    (fold,) = arm.folds
    if len(set(fold.truth > 0)) < 2:
        return
    overkill, recall, _ = metrics.roc_curve(fold.truth > 0, fold.score[0], drop_intermediate=False)
    for most in (0.0, 0.2, 1.0):
        best_recall = scores.recall_at_overkill(most)(arm, as_observed(arm.folds))[0]
        assert best_recall == pytest.approx(recall[overkill <= most].max())


def test_the_most_probable_label_counts_where_no_threshold_was_chosen() -> None:
    arm = arm_of(1)
    expected = scores.macro_f1(
        ArmOutcome("arm", [dataclasses.replace(fold, decided=fold.most_probable) for fold in arm.folds]),
        as_observed(arm.folds),
    )
    assert scores.macro_f1_of_most_probable(arm, as_observed(arm.folds)) == expected
    assert expected != scores.macro_f1(arm, as_observed(arm.folds))
