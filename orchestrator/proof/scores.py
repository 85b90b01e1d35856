"""Scores of an arm for given weights of folds, seeds and groups.

Scores of counts (F1, accuracy, rates, cost) are of the counts of all folds and seeds together; scores of ranks (AUROC,
average precision) are means over folds and seeds, since one classifier's scores say nothing of another's order: what is
least biased where a fold has few defects (Forman & Scholz 2010, "Apples-to-apples in cross-validation studies").
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.proof.outcomes import ArmOutcome
from orchestrator.proof.resampling import FoldWeights

Score = Callable[[ArmOutcome, Sequence[FoldWeights]], np.ndarray]  # (B,), nan where a replicate has none


def macro_f1(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """Mean over labels of F1 in [0, 1]; a label that is neither there nor decided for is left out."""
    confusion = _confusion(arm, weights)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    involved = confusion.sum(axis=1) + confusion.sum(axis=2)
    macro_f1: np.ndarray = np.nanmean(_share(2 * right, involved), axis=1)
    return macro_f1


def macro_f1_of_most_probable(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """The same where the most probable label is decided for: what a threshold that nobody chose is worth."""
    return macro_f1(ArmOutcome(arm.name, [replace(fold, decided=fold.most_probable) for fold in arm.folds]), weights)


def accuracy(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """Share of the photographs whose label was decided for."""
    confusion = _confusion(arm, weights)
    return _share(np.trace(confusion, axis1=1, axis2=2), confusion.sum(axis=(1, 2)))


def caught_of(kind: str) -> Score:
    """Share of a kind's photographs that were decided to show a defect, whichever."""

    def score(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
        total = np.zeros((len(weights[0].fold), 2))
        for fold, weight in zip(arm.folds, weights, strict=True):
            shows = np.broadcast_to(fold.kind == kind, fold.decided.shape)
            counts = np.zeros((fold.groups, fold.seeds, 2))
            both = np.stack([shows & (fold.decided > 0), shows], axis=2)
            np.add.at(counts, fold.group, both.transpose(1, 0, 2).astype(float))
            total += _weighted(counts, weight)
        return _share(total[:, 0], total[:, 1])

    return score


def escape_rate(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """Share of the defective photographs that pass at the operating point."""
    _, _, passed, defective = _mistakes(arm, weights)
    return _share(passed, defective)


def overkill_rate(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """Share of the good photographs that are rejected at the operating point."""
    good_rejected, good, _, _ = _mistakes(arm, weights)
    return _share(good_rejected, good)


def cost_of(costs: CostSettings) -> Score:
    """Cost of 1,000 parts at the operating point, as the line has them: a test set has many more defects."""
    escape, overkill = costs.weights

    def score(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
        good_rejected, good, passed, defective = _mistakes(arm, weights)
        return escape * _share(passed, defective) + overkill * _share(good_rejected, good)

    return score


def auroc(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """Probability that a defective photograph scores higher than a good one, ties by half."""
    return _mean_over_classifiers(arm, weights, _fold_auroc)


def average_precision(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """Area under precision over recall, by steps (scikit-learn's average precision).

    A fold of which a replicate has no good photograph has none there: it would be 1 in whatever order the scores are.
    """
    return _mean_over_classifiers(arm, weights, _fold_average_precision)


def recall_at_overkill(most: float) -> Score:
    """Share of the defective photographs caught where at most so large a share of the good ones is rejected.

    The threshold is the test's own: what the order of the scores is worth, not what a factory gets.
    """

    def of_one(defect: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
        good, bad = (side[:, ::-1] for side in _by_score(defect, score, weights))  # highest first
        overkill = _share(np.cumsum(good, axis=1), good.sum(axis=1, keepdims=True))
        caught = _share(np.cumsum(bad, axis=1), bad.sum(axis=1, keepdims=True))
        best = np.where(overkill <= most, caught, 0.0).max(axis=1)
        return np.where(np.isnan(overkill[:, 0]) | np.isnan(caught[:, 0]), np.nan, best)

    return lambda arm, weights: _mean_over_classifiers(arm, weights, of_one)


def _confusion(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """(B, K, K): weight of the photographs by true and decided label."""
    labels = 1 + max(int(max(fold.truth.max(), fold.decided.max())) for fold in arm.folds)
    total = np.zeros((len(weights[0].fold), labels * labels))
    for fold, weight in zip(arm.folds, weights, strict=True):
        counts = np.zeros((fold.groups, fold.seeds, labels * labels))
        for number, decided in enumerate(fold.decided):
            np.add.at(counts[:, number], (fold.group, fold.truth * labels + decided), 1)
        total += _weighted(counts, weight)
    return total.reshape(-1, labels, labels)


def _mistakes(arm: ArmOutcome, weights: Sequence[FoldWeights]) -> np.ndarray:
    """(4, B): weights of the good photographs that are rejected, all good ones, the defective that pass, all those."""
    total = np.zeros((len(weights[0].fold), 4))
    for fold, weight in zip(arm.folds, weights, strict=True):
        good = fold.truth == 0
        every = np.broadcast_to(good, fold.rejected.shape)
        per_image = np.stack([every & fold.rejected, every, ~every & ~fold.rejected, ~every], axis=2)
        counts = np.zeros((fold.groups, fold.seeds, 4))
        np.add.at(counts, fold.group, per_image.transpose(1, 0, 2).astype(float))
        total += _weighted(counts, weight)
    return total.T


def _weighted(counts: np.ndarray, weight: FoldWeights) -> np.ndarray:
    """(B, X): counts (G, S, X) added up over groups and seeds as often as each was drawn."""
    groups, seeds, kinds = counts.shape
    of_seeds = (weight.groups @ counts.reshape(groups, -1)).reshape(-1, seeds, kinds)
    weighted: np.ndarray = np.einsum("bsx,bs->bx", of_seeds, weight.seeds) * weight.fold[:, None]
    return weighted


def _mean_over_classifiers(
    arm: ArmOutcome, weights: Sequence[FoldWeights], of_one: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Mean of a score of ranks over folds and seeds, each as often as it was drawn; where a fold has one, it counts."""
    total = np.zeros(len(weights[0].fold))
    times = np.zeros(len(weights[0].fold))
    for fold, weight in zip(arm.folds, weights, strict=True):
        images = weight.groups[:, fold.group]
        for number, score in enumerate(fold.score):
            scores = of_one(fold.truth > 0, score, images)
            often = weight.fold * weight.seeds[:, number] * ~np.isnan(scores)
            total, times = total + often * np.nan_to_num(scores), times + often
    return _share(total, times)


def _fold_auroc(defect: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) of one classifier: defect (N,) bool, score (N,), weights (B, N)."""
    good, bad = _by_score(defect, score, weights)  # (B, levels), lowest first
    below = np.cumsum(good, axis=1) - good
    return _share((bad * (below + good / 2)).sum(axis=1), good.sum(axis=1) * bad.sum(axis=1))


def _fold_average_precision(defect: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) of one classifier; see `_fold_auroc`."""
    good, bad = (side[:, ::-1] for side in _by_score(defect, score, weights))  # highest first
    caught = np.cumsum(bad, axis=1)
    precision = np.nan_to_num(_share(caught, caught + np.cumsum(good, axis=1)))
    return np.where(good.any(axis=1), _share((bad * precision).sum(axis=1), bad.sum(axis=1)), np.nan)


def _by_score(defect: np.ndarray, score: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of the good and of the defective photographs at every score there is, (B, levels) each, lowest first."""
    order = np.argsort(score, kind="stable")
    _, starts = np.unique(score[order], return_index=True)
    of_good, of_bad = (weights[:, order] * side[order] for side in (~defect, defect))
    return np.add.reduceat(of_good, starts, axis=1), np.add.reduceat(of_bad, starts, axis=1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; nan where there is no whole."""
    share: np.ndarray = np.divide(
        part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=np.asarray(whole) > 0
    )
    return share
