"""Where the line between good and defective is drawn to meet a target, and the rates of both errors at it."""

import numpy as np

from services.classifier.target import Target


def choose_threshold(defective: np.ndarray, scores: np.ndarray, target: Target) -> float:
    """The threshold that meets the target at the least cost; scores >= threshold are rejected.

    It lies midway between two images' scores, so that rounding elsewhere does not change a decision.

    Args:
        defective: bool (N,), with both kinds in it. scores: probability of a defect, (N,), in [0, 1].

    Returns:
        in [0, 2]: 0 rejects everything, above 1 rejects nothing.
    """
    if target.kind == "recall":
        wanted = np.sort(scores[defective])[::-1]
        lowest = wanted[_at_least(target.value, len(wanted)) - 1]
        below = scores[scores < lowest]
        return float((lowest + below.max()) / 2 if len(below) else lowest / 2)
    passed = np.sort(scores[~defective])[::-1]
    highest = passed[_at_most(target.value, len(passed))]
    above = scores[scores > highest]
    return float((highest + above.min()) / 2 if len(above) else (highest + 2) / 2)


def errors_at(defective: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """((defects that pass, defects), (good parts rejected, good parts)) at a threshold."""
    rejected = ~(scores < threshold)
    escapes = (int((defective & ~rejected).sum()), int(defective.sum()))
    return escapes, (int((~defective & rejected).sum()), int((~defective).sum()))


def _at_least(share: float, of: int) -> int:
    """How many of `of` make at least the share; 0.99 of 100 is 99 although 0.99 is not a binary fraction."""
    return max(1, int(np.ceil(share * of - 1e-9)))


def _at_most(share: float, of: int) -> int:
    return min(of - 1, int(np.floor(share * of + 1e-9)))
