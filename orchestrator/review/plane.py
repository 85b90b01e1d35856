"""A map of the features: synthetic pictures and photographs in the plane that shows most of how they differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from orchestrator.review.features import Features


@dataclass(frozen=True)
class Plane:
    """Points in a plane.

    Attributes:
        points: float32 (N, 2); nan for pictures without features.
        explained: shares of the variance that lie along the two axes, in [0, 1].
    """

    points: np.ndarray
    explained: tuple[float, float]


def plane_of(features: Features, synthetic: np.ndarray, real: np.ndarray) -> Plane:
    """The two principal components of the features, in which synthetic pictures and photographs weigh the same.

    There are often a hundred times as many synthetic ones, and by number they alone would choose the plane: what only
    photographs show would lie hidden behind them. Axes point to where their largest part is positive, so that the same
    features give the same map.

    Args:
        synthetic, real: rows of the features, (S,) and (R,), -1 where there are none. Points come in this order.
    """
    rows = np.concatenate([synthetic, real])
    points = np.full((len(rows), 2), np.nan, np.float32)
    sides = [side[side >= 0] for side in (synthetic, real)]
    sides = [side for side in sides if len(side)]
    if not sides or features.channels < 2:
        return Plane(points, (0.0, 0.0))
    mean = np.mean([_mean(features, side) for side in sides], axis=0)
    covariance = _covariance(features, sides, mean)
    total = max(float(np.trace(covariance)), np.finfo(float).tiny)
    count = features.channels
    # In place, which takes Fortran's order: a copy of 1,280 channels would be 13 MB more.
    variances, axes = eigh(covariance.T, overwrite_a=True, subset_by_index=[count - 2, count - 1])
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    known = np.flatnonzero(rows >= 0)
    for place, block in features.blocks(rows[known]):
        points[known[place]] = (block - mean) @ axes
    return Plane(points, (float(variances[0] / total), float(variances[1] / total)))


def _mean(features: Features, rows: np.ndarray) -> np.ndarray:
    total = np.zeros(features.channels)
    for _, block in features.blocks(rows):
        total += block.sum(axis=0, dtype=np.float64)
    return total / len(rows)


def _covariance(features: Features, sides: Sequence[np.ndarray], mean: np.ndarray) -> np.ndarray:
    """float64 (channels, channels): the mean of all sides' own, about a mean that is none of theirs."""
    covariance = np.zeros((features.channels, features.channels))
    for side in sides:
        for _, block in features.blocks(side):
            block -= mean.astype(np.float32)
            covariance += (block.T @ block) / (len(side) * len(sides))
    return covariance
