"""Accuracy, and precision, recall and F1 averaged over classes (macro), as scikit-learn defines them."""

from collections.abc import Mapping, Sequence

import numpy as np

from defectory.statistics import bounds_of, mean_interval
from services.classifier.confusion import Confusion

EPSILON = 1e-7  # Keras' own: probabilities are clipped to [EPSILON, 1 - EPSILON] before the logarithm


def measure(labels: np.ndarray, probabilities: np.ndarray, gamma: float) -> dict[str, float]:
    """Metrics of predictions.

    Args:
        labels: (N,) indices. probabilities: (N, C). gamma: of the focal loss.

    Returns:
        loss, accuracy, precision, recall, f1; a class that is never predicted has precision 0.
    """
    confusion = Confusion.of(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    seen = (confusion.shown + confusion.claimed) > 0  # a class neither present nor predicted says nothing
    return {
        "loss": focal_loss(labels, probabilities, gamma),
        "accuracy": float(confusion.hits.sum() / max(1, len(labels))),
        "precision": float(confusion.precision[seen].mean()),
        "recall": float(confusion.recall[seen].mean()),
        "f1": float(confusion.f1[seen].mean()),
    }


def focal_loss(labels: np.ndarray, probabilities: np.ndarray, gamma: float) -> float:
    """Mean of -(1 - p)^gamma log p (Lin et al. 2017); over two classes, binary focal cross-entropy."""
    p = np.clip(probabilities[np.arange(len(labels)), labels], EPSILON, 1 - EPSILON)
    return float(np.mean(-((1 - p) ** gamma) * np.log(p)))


def mean_and_interval(metric: str, values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """A metric's mean over cycles and its 95% interval, where it can lie; no interval below three cycles."""
    array = np.asarray(values, dtype=float)
    ends = mean_interval(array, bounds_of(metric))
    return float(array.mean()), (float(ends[0]), float(ends[1])) if ends else None


def summarise(cycles: Sequence[Mapping[str, float]]) -> dict[str, dict[str, object]]:
    """{"f1": {"mean": …, "interval": [low, high] or null}, …} over the cycles' metrics."""
    summary: dict[str, dict[str, object]] = {}
    for name in cycles[0]:
        mean, interval = mean_and_interval(name, [cycle[name] for cycle in cycles])
        summary[name] = {"mean": mean, "interval": list(interval) if interval else None}
    return summary
