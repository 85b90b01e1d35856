"""Where the line between good and defective is drawn, on validation: for the best macro-F1, or for the least cost."""

from collections.abc import Callable

import numpy as np

from orchestrator.pipeline.cost_settings import PER_PARTS, CostSettings

MOST_CANDIDATES = 512  # thresholds that are looked at; of more scores, evenly chosen ones
HALF = 0.5


def decided_at(threshold: float, score: np.ndarray, defect: np.ndarray) -> np.ndarray:
    """Place of the label decided for, (N,): a defect where its probability is at least the threshold.

    Args:
        score: (N,), probability of a defect, whichever. defect: (N,) int, place of the most probable defect, from 1 on.
    """
    return np.where(score >= threshold, defect, 0)


def for_macro_f1(truth: np.ndarray, score: np.ndarray, defect: np.ndarray) -> float:
    """The threshold with the best macro-F1 on validation; of equal ones the nearest to one half.

    Args:
        truth: (N,) int, 0 is good. score, defect: see `decided_at`.
    """
    labels = 1 + int(max(truth.max(), defect.max()))

    def loss(threshold: float) -> float:
        decided = decided_at(threshold, score, defect)
        right = np.bincount(truth[truth == decided], minlength=labels)
        involved = np.bincount(truth, minlength=labels) + np.bincount(decided, minlength=labels)
        return -float(np.mean(2 * right[involved > 0] / involved[involved > 0]))

    return _best(score, loss)


def for_cost(truth: np.ndarray, score: np.ndarray, costs: CostSettings) -> float:
    """The threshold with the least cost on validation, had the line its share of defective parts."""
    bad = truth > 0
    escape, overkill = costs.weights

    def loss(threshold: float) -> float:
        rejected = score >= threshold
        passed, refused = (~rejected[bad]).mean() if bad.any() else 0.0, rejected[~bad].mean() if (~bad).any() else 0.0
        return float(escape * passed + overkill * refused) / PER_PARTS

    return _best(score, loss)


def _best(score: np.ndarray, loss: Callable[[float], float]) -> float:
    """Of thresholds between neighbouring scores, and one half, that of the least loss, nearest to one half."""
    levels = np.unique(score)
    between = np.concatenate([levels[:1] / 2, (levels[1:] + levels[:-1]) / 2, (levels[-1:] + 1) / 2 + 1e-9])
    chosen = between[np.unique(np.linspace(0, len(between) - 1, MOST_CANDIDATES).round().astype(int))]
    candidates = [HALF, *map(float, chosen)]
    return min(candidates, key=lambda threshold: (round(loss(threshold), 12), abs(threshold - HALF)))
