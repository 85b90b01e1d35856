"""Fair probabilities: one temperature, fitted on validation images, and how far confidence and accuracy lie apart."""

import numpy as np
from scipy import optimize

from services.classifier.decision import TEMPERATURES, TINY, calibrated

BINS = 15
EXPECTED = 0.5  # of the temperature's logarithm, before any image: 95 of 100 temperatures lie between 0.37 and 2.7


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017, arXiv:1706.04599, section 4.2).

    Before any image it is expected near 1, its logarithm being normal with a deviation of EXPECTED: few images that all
    are right move it little, and a hundred do as they please (docs/decisions/0070-probabilities-of-few-images.md).

    Args:
        labels: (N,) indices. probabilities: (N, C), the network's own.

    Returns:
        in [0.05, 20].
    """
    rows = np.arange(len(labels))

    def cost(log_temperature: float) -> float:
        fair = calibrated(probabilities, float(np.exp(log_temperature)))
        unlikely = -np.log(np.maximum(fair[rows, labels], TINY)).mean()
        return float(unlikely + (log_temperature / EXPECTED) ** 2 / (2 * len(labels)))

    minimum = optimize.minimize_scalar(cost, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.clip(np.exp(minimum.x), *TEMPERATURES))


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> list[tuple[int, float, float]]:
    """(images, mean confidence, accuracy) of each of 15 equally wide bins of the most probable label's probability."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = []
    for number in range(BINS):
        inside = bins == number
        count = int(inside.sum())
        rows.append((count, float(confidence[inside].mean()), float(right[inside].mean())) if count else (0, 0.0, 0.0))
    return rows


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean distance of confidence and accuracy over the bins, weighted by their images (Naeini et al. 2015)."""
    rows = reliability(labels, probabilities)
    return sum(count * abs(confidence - accuracy) for count, confidence, accuracy in rows) / len(labels)
