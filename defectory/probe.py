"""Whether a small classifier tells two kinds of image apart: synthetic from real ones, edited borders from real ones.

Shrinkage LDA: the two means' difference, seen through the covariance within real and synthetic
images, which is shrunk as Ledoit and Wolf do (2004, A well-conditioned estimator for large-dimensional covariance
matrices). It is cross-fitted, and measured by the area under the ROC curve (AUROC). Only images of one fold are
compared with each other, since the scores of two classifiers have no common scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

FOLDS = 5
# Parts of either kind. With ten of each every fold has two, and the interval around 0.5 spans three quarters of all
# there is (Hanley and McNeil's standard error is 0.13, times CROSS_FITTED): only the plain shows. Fewer say nothing.
LEAST = 10
RESAMPLES = 2000
# Of the interval that scores as they are would have. What two folds have in common by chance counts in both, each being
# tested by a classifier that knows the other: around 0.5 that doubles the variance; the more can be told, the less.
CROSS_FITTED = 2**0.5
RIDGE = 1e-6  # of a variance: what never varies can be divided by, and solved for
DIGITS = 4


@dataclass(frozen=True)
class Sample:
    """Images of one kind.

    Attributes:
        embeddings: float (N, channels).
        parts: (N,) what each shows; images of one part are not independent, and stay in one fold.
    """

    embeddings: np.ndarray
    parts: Sequence[str]


@dataclass(frozen=True)
class Probe:
    """How well synthetic images can be told from real ones: 0.5 not at all, 1 always.

    Attributes:
        low, high: 95% interval, when the parts are drawn anew.
        real, synthetic: images looked at.
    """

    auroc: float
    low: float
    high: float
    real: int
    synthetic: int

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        values = {"auroc": self.auroc, "low": self.low, "high": self.high}
        rounded = {name: round(value, DIGITS) for name, value in values.items()}
        return {**rounded, "real": self.real, "synthetic": self.synthetic}


def probe(real: Sample, synthetic: Sample, seed: int = 0) -> Probe | None:
    """Cross-fitted AUROC of synthetic against real images; None with fewer than LEAST parts of either."""
    if min(len(set(real.parts)), len(set(synthetic.parts))) < LEAST:
        return None
    random = np.random.default_rng(seed)
    real_folds, synthetic_folds = _both_folds(real.parts, synthetic.parts, random)
    drawn, synthetic_drawn = _drawn(real.parts, random), _drawn(synthetic.parts, random)
    wins, pairs = np.zeros(RESAMPLES + 1), np.zeros(RESAMPLES + 1)
    for fold in range(FOLDS):
        left_out, synthetic_left_out = real_folds == fold, synthetic_folds == fold
        mean, direction = discriminant(real.embeddings[~left_out], synthetic.embeddings[~synthetic_left_out])
        scores = (real.embeddings[left_out] - mean) @ direction
        synthetic_scores = (synthetic.embeddings[synthetic_left_out] - mean) @ direction
        won = (np.sign(synthetic_scores - scores[:, None]) + 1) / 2  # (real, synthetic); half of a tie
        times, synthetic_times = drawn[:, left_out], synthetic_drawn[:, synthetic_left_out]
        wins += np.einsum("ns,ns->n", times @ won, synthetic_times)
        pairs += times.sum(axis=1) * synthetic_times.sum(axis=1)
    auroc = wins[pairs > 0] / pairs[pairs > 0]  # a draw may leave no fold with both kinds
    spread = np.quantile(auroc[1:], [0.025, 0.975]) - auroc[0]
    low, high = np.clip(auroc[0] + CROSS_FITTED * spread, 0, 1)
    return Probe(float(auroc[0]), float(low), float(high), len(real.parts), len(synthetic.parts))


def _both_folds(
    real: Sequence[str], synthetic: Sequence[str], random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The folds of either kind; a part that both kinds show is in one fold of both, else it would be known already."""
    if set(real).isdisjoint(synthetic):
        return folds(real, random), folds(synthetic, random)
    together = folds([*real, *synthetic], random)
    return together[: len(real)], together[len(real) :]


def folds(parts: Sequence[str], random: np.random.Generator) -> np.ndarray:
    """The fold of every image, int (N,): parts stay whole, and folds are about as large as each other."""
    _, part, sizes = np.unique(list(parts), return_inverse=True, return_counts=True)
    order = random.permutation(len(sizes))
    fold, filled = np.empty(len(sizes), int), np.zeros(FOLDS, int)
    for one in order[np.argsort(-sizes[order], kind="stable")]:
        fold[one] = filled.argmin()
        filled[fold[one]] += sizes[one]
    return np.asarray(fold[part])


def discriminant(real: np.ndarray, synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrinkage LDA; both kinds weigh the same, however many there are of either.

    Args:
        real, synthetic: float (N, channels), (M, channels).

    Returns:
        (mean, direction), float64 (channels,) each: (x - mean) @ direction is the higher, the more synthetic x looks.
    """
    middles = real.mean(axis=0, dtype=np.float64), synthetic.mean(axis=0, dtype=np.float64)
    mean, difference = (middles[0] + middles[1]) / 2, middles[1] - middles[0]
    inside = np.concatenate([real - middles[0], synthetic - middles[1]])  # float64 (N + M, channels)
    weights = np.repeat([0.5 / len(real), 0.5 / len(synthetic)], [len(real), len(synthetic)])
    # Within the kinds: what sets them apart would not stand out in units of its own difference.
    deviation = np.sqrt(weights @ inside**2 + RIDGE * difference**2)
    deviation[deviation == 0] = 1
    inside /= deviation
    covariance = _shrunk((inside * weights[:, None]).T @ inside, inside, weights)
    return mean, linalg.solve(covariance, difference / deviation, assume_a="pos") / deviation


def _shrunk(covariance: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The covariance moved towards equal variances by as much of its distance from them as is noise."""
    channels = len(covariance)
    variance, squares = np.trace(covariance) / channels, (covariance**2).sum()
    distance = squares - channels * variance**2
    noise = weights**2 @ (rows**2).sum(axis=1) ** 2 - (weights**2).sum() * squares
    share = float(np.clip(noise / distance, 0, 1)) if distance > 0 else 0.0
    shrunk = (1 - share) * covariance
    shrunk[np.diag_indices(channels)] += share * variance + RIDGE
    return np.asarray(shrunk)


def _drawn(parts: Sequence[str], random: np.random.Generator) -> np.ndarray:
    """How often each image counts, float64 (1 + RESAMPLES, N): once, and then as often as its part is drawn."""
    names, part = np.unique(list(parts), return_inverse=True)
    times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    return np.concatenate([np.ones((1, len(names))), times])[:, part]
