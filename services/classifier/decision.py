"""From a network's probabilities to calibrated ones and to the decision at the operating point: pure functions."""

from dataclasses import dataclass

import numpy as np

DOUBT = 0.7  # probability of the most probable label up to which an answer is in doubt
TEMPERATURES = (0.05, 20.0)  # beyond them a model is certain of everything or of nothing
TINY = 1e-30  # float32 probabilities that have sunk to 0 still have a logarithm


def calibrated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of the logits over the temperature (Guo et al. 2017, arXiv:1706.04599).

    The logarithm of a softmax is its logits but for a constant, which the second softmax takes out again.

    Args:
        probabilities: (N, C), rows sum to 1. temperature: > 0; above 1 softens, below 1 sharpens, 1 changes nothing.

    Returns:
        float64 (N, C), rows sum to 1.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), TINY)) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def defect_probability(probabilities: np.ndarray, good: int) -> np.ndarray:
    """Probability that a part is not good, (N,): the sum over all labels but index `good`."""
    return np.asarray(np.delete(probabilities, good, axis=1).sum(axis=1))


@dataclass(frozen=True)
class Decisions:
    """What is answered for N images.

    Attributes:
        probabilities: calibrated, float64 (N, C).
        labels: index of the label decided for, int64 (N,). Without an operating point the most probable one.
        rejected: bool (N,), the part is taken for defective; None without an operating point.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    rejected: np.ndarray | None


@dataclass(frozen=True)
class DecisionRule:
    """How a model's probabilities become decisions: part of the model (`ClassifierCard.rule`).

    A part passes when its calibrated probability of being defective is below the threshold, and is labelled with the
    label of good parts; otherwise, also where that probability is not a number, it is rejected and labelled with the
    most probable label of a defect.

    Attributes:
        temperature: of the calibration; 1 where there is none.
        good: index of the label of good parts; None where there is no operating point.
        threshold: in (0, 1].
    """

    temperature: float = 1.0
    good: int | None = None
    threshold: float = 0.5

    def decide(self, probabilities: np.ndarray) -> Decisions:
        """Decide on the network's own (uncalibrated) probabilities (N, C)."""
        fair = calibrated(probabilities, self.temperature)
        if self.good is None:
            return Decisions(fair, fair.argmax(axis=1), None)
        rejected = ~(defect_probability(fair, self.good) < self.threshold)  # so that NaN does not pass
        of_defects = fair.copy()
        of_defects[:, self.good] = -1
        return Decisions(fair, np.where(rejected, of_defects.argmax(axis=1), self.good), rejected)
