"""What a classifier's figures are drawn from: reliability, and both mistakes by the threshold."""

from typing import Any

import numpy as np

from services.classifier.acceptance import Answers
from services.classifier.calibration import Bin, reliability
from services.classifier.decision import DecisionRule, calibrated, defect_probability

MOST_THRESHOLDS = 1000  # of a curve; of more probabilities, evenly chosen ones
NOTHING = 2.0  # a threshold at which nothing is rejected, as that of an operating point


def curves_of(rule: DecisionRule, answers: Answers) -> dict[str, Any]:
    """Both curves of a split's own images.

    Returns:
        {"reliability": {"as_trained": bins, "calibrated": bins}, "operating": None without a label of good parts, or
        where good or defective images are missing, else as `operating_curve` has it}. A bin is {"low", "high",
        "images", "confidence", "right", "accuracy", "accuracy_low", "accuracy_high"}; bins without images are left out.
    """
    fair = calibrated(answers.probabilities, rule.temperature)
    bins = {
        name: [_as_json(one) for one in reliability(answers.labels, probabilities)] if len(answers.labels) else []
        for name, probabilities in (("as_trained", answers.probabilities), ("calibrated", fair))
    }
    operating = None
    if rule.good is not None:
        operating = operating_curve(answers.labels != rule.good, defect_probability(fair, rule.good), rule.threshold)
    return {"reliability": bins, "operating": operating}


def operating_curve(defective: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, Any] | None:
    """How many defects pass and how many good parts are rejected, by the threshold.

    What stands beside a threshold holds down to the one before it, for no image lies between the two; of more than
    MOST_THRESHOLDS only where none was left out. The operating point's own is never left out.

    Args:
        defective: bool (N,). scores: probability of a defect, calibrated, (N,), in [0, 1]. threshold: of the operating
            point.

    Returns:
        {"defects": of how many, "good": of how many, "thresholds": ascending, the last one rejects nothing, "missed":
        defects below each threshold, "false_alarms": good parts not below it}; None where either kind is missing.
    """
    bad, good = np.sort(scores[defective]), np.sort(scores[~defective])
    if not len(bad) or not len(good):
        return None
    levels = np.append(np.unique(scores), NOTHING)
    places = np.unique(np.linspace(0, len(levels) - 1, min(len(levels), MOST_THRESHOLDS)).round().astype(int))
    levels = levels[np.union1d(places, [min(np.searchsorted(levels, threshold), len(levels) - 1)])]
    return {
        "defects": len(bad),
        "good": len(good),
        "thresholds": levels.tolist(),
        "missed": np.searchsorted(bad, levels).tolist(),
        "false_alarms": (len(good) - np.searchsorted(good, levels)).tolist(),
    }


def _as_json(one: Bin) -> dict[str, float]:
    low, high = one.interval
    return {
        "low": one.low, "high": one.high, "images": one.images, "confidence": one.confidence, "right": one.right,
        "accuracy": one.accuracy, "accuracy_low": low, "accuracy_high": high,
    }  # fmt: skip
