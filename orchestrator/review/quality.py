"""Four scores of a synthetic set: what is unrealistic, too alike, memorised, and what of the photographs it leaves out.

cleanlab Studio asks the same four of a synthetic data set. Here each is a ratio that one compares with 1: below it the
picture counts. What is near and far is read off the label's own photographs in the judge's features, as unit vectors
with Euclidean distance d, and only photographs of other parts are neighbours of a photograph.

- B(r), the neighbourhood of a photograph r, is the ball around it up to its k-th nearest photograph, k = 5.
- unrealistic: s lies in no B(r). Its ratio is the largest radius(r) / d(s, r): the realism of Kynkäänniemi et al. 2019
  (arXiv:1904.06991, equation 3) over all r; the share of the others is their precision, with the balls of Naeem et al.
  2020 (arXiv:2002.09797, section 3).
- not covered: no s lies in B(r). Its ratio is radius(r) / min d(s, r); the share of the others is Naeem et al.'s
  coverage (equation 4).
- The fence of copies is the distance to the nearest photograph that is undercut by 1% of the photographs, or by none
  where there are fewer than a hundred. So of new photographs about one in a hundred would be called a copy.
- memorised: s lies nearer to a photograph than the fence. Its ratio is min d(s, r) / fence.
- too alike: s lies nearer to another synthetic picture of its label than the fence. Its ratio is d(s, s') / fence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from defectory.statistics import rate_interval
from orchestrator.review.features import BLOCK, Features

Score = Literal["unrealistic", "alike", "memorised", "uncovered"]
SCORES: tuple[Score, ...] = get_args(Score)
NEIGHBOURS = 5  # k; that of Naeem et al.'s experiments
RARE = 0.01  # share of the photographs that undercut the fence of copies
REPLICATES = 2000  # of a bootstrap
NEAREST = 1e-6  # distance below which two pictures count as that far apart
Report = Callable[[float], None]  # share that is done


@dataclass(frozen=True)
class OfLabel:
    """A label's pictures, as rows of the features.

    Attributes:
        synthetic: int64 (S,). real: int64 (R,), its training photographs.
        parts: int64 (R,), the part that each photograph shows.
    """

    synthetic: np.ndarray
    real: np.ndarray
    parts: np.ndarray


@dataclass(frozen=True)
class Share:
    """How many count, with the 95% interval of their share."""

    count: int
    of: int
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A label's four scores.

    Attributes:
        ratios: score -> float32, of every synthetic picture (S,), or photograph (R,) where they are not covered.
        group: int64 (S,): pictures that are too alike share a number.
        shares: score -> how many have a ratio below 1.
    """

    ratios: dict[Score, np.ndarray]
    group: np.ndarray
    shares: dict[Score, Share]


def why_not(label: OfLabel) -> str:
    """Why a label has no scores; empty where it has."""
    parts = len(np.unique(label.parts))
    if parts <= NEIGHBOURS:
        return f"its training photographs show {parts} parts that the judge has seen; it takes {NEIGHBOURS + 1}"
    return "" if len(label.synthetic) else "the set holds no picture of it that the judge has seen"


def measure(features: Features, label: OfLabel, report: Report) -> Measured:
    """The scores of a label that has some, exact; N pictures take about N² / 2 + N R distances."""
    between = len(label.synthetic) * len(label.real)
    among = len(label.synthetic) ** 2 / 2
    total = between + among
    radius, nearest_real = neighbourhoods(features, label)
    fence = max(float(np.quantile(nearest_real, RARE, method="lower")), NEAREST)
    realism, to_real, covering = compare(features, label, radius, lambda done: report(done * between / total))
    to_other, other = nearest_other(features, label.synthetic, lambda done: report((between + done * among) / total))
    ratios: dict[Score, np.ndarray] = {
        "unrealistic": realism,
        "alike": to_other / fence,
        "memorised": to_real / fence,
        "uncovered": radius / covering,
    }
    group = _groups(other, ratios["alike"] < 1)
    own = np.arange(len(group))
    groups = {"unrealistic": own, "alike": group, "memorised": own, "uncovered": label.parts}
    shares = {score: share(ratio < 1, groups[score]) for score, ratio in ratios.items()}
    return Measured(ratios, group, shares)


def neighbourhoods(features: Features, label: OfLabel) -> tuple[np.ndarray, np.ndarray]:
    """Distances (R,) of every photograph to its k-th nearest one of another part, and to its nearest one."""
    nearest = np.full((len(label.real), NEIGHBOURS), np.inf, np.float32)
    for place, block in features.blocks(label.real):
        for column, others in features.blocks(label.real):
            apart = distances(block, others)
            apart[label.parts[place, None] == label.parts[None, column]] = np.inf
            both = np.concatenate([nearest[place], apart], axis=1)
            nearest[place] = np.sort(np.partition(both, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS], axis=1)
    return nearest[:, -1], nearest[:, 0]


def compare(
    features: Features, label: OfLabel, radius: np.ndarray, report: Report
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(largest radius / distance (S,), distance to the nearest photograph (S,), to the nearest synthetic one (R,))"""
    realism = np.zeros(len(label.synthetic), np.float32)
    to_real = np.full(len(label.synthetic), np.inf, np.float32)
    covering = np.full(len(label.real), np.inf, np.float32)
    for place, block in features.blocks(label.synthetic):
        for column, others in features.blocks(label.real):
            apart = distances(block, others)
            realism[place] = np.maximum(realism[place], (radius[column] / apart).max(axis=1))
            to_real[place] = np.minimum(to_real[place], apart.min(axis=1))
            covering[column] = np.minimum(covering[column], apart.min(axis=0))
        report(place.stop / len(label.synthetic))
    return realism, to_real, covering


def nearest_other(features: Features, rows: np.ndarray, report: Report) -> tuple[np.ndarray, np.ndarray]:
    """(distance (S,), place in `rows` (S,)) of the nearest other one; infinite and -1 where there is none."""
    closest, other = np.full(len(rows), -np.inf, np.float32), np.full(len(rows), -1)
    for place, block in features.blocks(rows):
        for start in range(place.start, len(rows), BLOCK):  # a pair of blocks is looked at once, from both sides
            column = slice(start, min(start + BLOCK, len(rows)))
            cosine = block @ (block if start == place.start else features.take(rows[column])).T
            if start == place.start:
                np.fill_diagonal(cosine, -np.inf)
            _keep_largest(closest, other, place, cosine, start)
            _keep_largest(closest, other, column, cosine.T, place.start)
        report(1 - (1 - place.stop / len(rows)) ** 2)
    far = np.sqrt(np.maximum(2 - 2 * closest, NEAREST**2))
    return far, other


def _keep_largest(closest: np.ndarray, other: np.ndarray, place: slice, cosine: np.ndarray, first: int) -> None:
    best = cosine.argmax(axis=1)
    value = np.take_along_axis(cosine, best[:, None], axis=1)[:, 0]
    nearer = value > closest[place]
    other[place] = np.where(nearer, first + best, other[place])
    closest[place] = np.where(nearer, value, closest[place])


def distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distances float32 (n, m) of unit vectors (n, channels), (m, channels)."""
    apart: np.ndarray = rows @ others.T
    apart *= -2
    apart += 2
    np.maximum(apart, NEAREST**2, out=apart)  # rounding makes the square of nothing negative
    np.sqrt(apart, out=apart)
    return apart


def _groups(other: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """int64 (S,): a number for each set of pictures that hang together by the nearest one of those that are alike."""
    at = np.flatnonzero(alike)
    pairs = coo_array((np.ones(len(at)), (at, other[at])), shape=(len(other), len(other)))
    numbers: np.ndarray = connected_components(pairs, directed=False)[1]
    return numbers.astype(np.int64)


def share(counts: np.ndarray, groups: np.ndarray) -> Share:
    """How many count, and between which shares those of other such sets lie.

    Clopper and Pearson's interval, which takes the pictures for independent draws. Where they come in groups (several
    photographs of a part; pictures that are alike) it is no narrower than the percentile bootstrap over groups.

    Args:
        counts: bool (N,), N > 0. groups: int (N,).
    """
    total, of = int(counts.sum()), len(counts)
    low, high = rate_interval(total, of)
    _, group = np.unique(groups, return_inverse=True)
    sizes, hits = np.bincount(group), np.bincount(group, weights=counts)
    if len(sizes) < of:
        kinds, of_kind = np.unique(np.stack([sizes, hits]), axis=1, return_counts=True)
        drawn = np.random.default_rng(0).multinomial(len(sizes), of_kind / len(sizes), REPLICATES)
        replicates = (drawn @ kinds[1]) / (drawn @ kinds[0])
        low, high = min(low, float(np.quantile(replicates, 0.025))), max(high, float(np.quantile(replicates, 0.975)))
    return Share(total, of, low, high)


def parts_of(groups: Sequence[str]) -> np.ndarray:
    """int64 (R,): numbers of the parts by their names."""
    return np.unique(np.array(groups, dtype=str), return_inverse=True)[1].astype(np.int64)
