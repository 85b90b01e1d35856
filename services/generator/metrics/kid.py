"""Kernel Inception Distance, here on features of any kind: unbiased, so that it means something on few images.

Reference: Bińkowski et al. 2018, "Demystifying MMD GANs" (arXiv:1801.01401), section 4: the squared maximum mean
discrepancy with the kernel (x·y / F + 1)³, averaged over random subsets.
"""

from dataclasses import dataclass

import numpy as np

SUBSETS = 100
MAX_SUBSET = 1000


@dataclass(frozen=True)
class Interval:
    """A mean over subsets and the middle 95% of them."""

    mean: float
    low: float
    high: float


def kid(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> Interval:
    """Distance of two sets of features; about 0 for sets of one distribution, and sometimes below.

    A subset has half of the smaller set: the estimate of so many scatters among the subsets about as the whole one does
    among sets of images, so the interval says how sure the mean is, however few images there are.

    Shapes:
        real: (N, F); fake: (M, F); N and M at least 4
    """
    size = min(MAX_SUBSET, max(2, min(len(real), len(fake)) // 2))
    rng = np.random.default_rng(seed)
    values = [
        squared_discrepancy(
            real[rng.choice(len(real), size, replace=False)], fake[rng.choice(len(fake), size, replace=False)]
        )
        for _ in range(SUBSETS)
    ]
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(np.mean(values)), float(low), float(high))


def squared_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy of (N, F) and (M, F)."""
    n, m = len(x), len(y)
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    values: np.ndarray = (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** 3
    return values
