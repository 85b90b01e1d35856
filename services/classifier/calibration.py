"""Fair probabilities: one temperature, fitted on validation images, and how far confidence and accuracy lie apart."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from defectory.statistics import rate_interval
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


@dataclass(frozen=True)
class Bin:
    """Images whose most probable label has a probability in [low, high), of the last bin also 1.

    Attributes:
        images: at least 1. confidence: mean of those probabilities. right: images whose most probable label is theirs.
    """

    low: float
    high: float
    images: int
    confidence: float
    right: int

    @property
    def accuracy(self) -> float:
        """Share of the images that are right."""
        return self.right / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95% interval (Clopper-Pearson)."""
        return rate_interval(self.right, self.images)


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> list[Bin]:
    """Those of 15 equally wide bins of the most probable label's probability that hold images, the lowest first.

    Args:
        labels: (N,) indices. probabilities: (N, C).
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = []
    for number in map(int, np.unique(bins)):
        inside = bins == number
        images, mean = int(inside.sum()), float(confidence[inside].mean())
        rows.append(Bin(number / BINS, (number + 1) / BINS, images, mean, int(right[inside].sum())))
    return rows


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean distance of confidence and accuracy over the bins, weighted by their images (Naeini et al. 2015)."""
    rows = reliability(labels, probabilities)
    return sum(row.images * abs(row.confidence - row.accuracy) for row in rows) / len(labels)
