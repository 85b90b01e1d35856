"""What distances between features tell: fidelity and variety.

References:
    [1] Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models"
        (arXiv:1904.06991).
    [2] Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models" (arXiv:2002.09797).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from defectory.statistics import rate_interval

NEIGHBOURS = 5  # as in [2]


@dataclass(frozen=True)
class Manifolds:
    """Share of fakes among the real [1], of real among the fakes [1], and the two sturdier forms [2].

    Coverage has its 95% interval: over the real images, as `effective_count` counts them.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    coverage_low: float
    coverage_high: float


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances: (N, F), (M, F) -> (N, M)."""
    squares = (x.astype(np.float64) ** 2).sum(axis=1)[:, None] + (y.astype(np.float64) ** 2).sum(axis=1)[None]
    lengths: np.ndarray = np.sqrt(np.maximum(squares - 2 * x.astype(np.float64) @ y.astype(np.float64).T, 0))
    return lengths


def manifolds(real: np.ndarray, fake: np.ndarray, parts: Sequence[str] = ()) -> Manifolds:
    """Compare two sets of features (N, F) and (M, F), both with at least three images.

    Args:
        parts: of every real image, which part it shows; absent: each another one.
    """
    k = min(NEIGHBOURS, len(real) - 1, len(fake) - 1)
    across = distances(real, fake)  # (N, M)
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    inside = across < real_radii[:, None]
    coverage = float((across.min(axis=1) < real_radii).mean())
    count = effective_count(parts or range(len(real)))
    low, high = rate_interval(coverage * count, count)
    return Manifolds(
        precision=float(inside.any(axis=0).mean()),
        recall=float((across < fake_radii[None]).any(axis=1).mean()),
        density=float(inside.sum(axis=0).mean() / k),
        coverage=coverage,
        coverage_low=low,
        coverage_high=high,
    )


def effective_count(parts: Sequence[object]) -> float:
    """How many independent images are worth as much as these, had all images of a part the same to say.

    The effective sample size of parts that are drawn whole, N² / Σ m² of N images, m of a part (Kish, Survey Sampling,
    1965). Unlike a bootstrap of parts it leaves a share of 0 or 1 its width.
    """
    sizes = np.array(list(Counter(parts).values()), dtype=float)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def diversity(fake: np.ndarray, real: np.ndarray) -> float:
    """Mean distance between fakes against that between real images: near 0 when the generator has collapsed."""
    return _mean_distance(fake) / max(_mean_distance(real), 1e-12)


def _mean_distance(x: np.ndarray) -> float:
    return float(distances(x, x).sum() / (len(x) * (len(x) - 1)))


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Distance of every point (N, F) to its k-th neighbour: (N,)."""
    radii: np.ndarray = np.sort(distances(x, x), axis=1)[:, k]
    return radii
