"""Whether a synthetic image is new: no copy of a training image, no duplicate, no outlier, no test image.

What counts as "too close" and "too far" is read off the real images: how alike the nearest other part looks, and how
far from its neighbours a real image lies. Both are robust fences, so a few mislabelled parts move neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from defectory.errors import FailedPrecondition
from services.filter.features import any_within, earlier_twins, nearest_distance
from services.filter.similarity import nearest
from services.filter.structure import Gallery

SPREADS = 5.0  # a fence lies so many robust standard deviations beyond the middle
COPY_FLOOR, COPY_CEILING = 0.55, 0.97  # correlations between which the fence may lie
FEW = 8  # real images from which a fence can be read; with fewer the defaults stand
COPY_DEFAULT = 0.9
OUTLIER_RANGE = 1.25, 1.5  # times the distance at which 99% of the real images have their neighbour: at least, at most
SAME = 1e-5  # cosine distance below which a network's features tell nothing apart


@dataclass(frozen=True)
class Prepared:
    """Images ready for comparison, in one order."""

    gallery: Gallery
    embeddings: np.ndarray  # float32 (N, channels), unit vectors
    labels: np.ndarray  # str (N,)
    set_in: np.ndarray | None = None  # bool (N,), whose defect was set into a photograph; None: of none

    def __len__(self) -> int:
        return len(self.gallery)


@dataclass(frozen=True)
class Finding:
    """What is known of one synthetic image."""

    reasons: tuple[str, ...]
    nearest_real: int  # row of the training images most similar in pixels, -1 where there is none
    distance: float  # 1 - correlation with it, in [0, 2]
    feature_distance: float  # cosine distance to the nearest training image of its label, in [0, 2]; inf without one
    twin: int = -1  # row among the accepted and then the synthetic images that it duplicates


@dataclass(frozen=True)
class Limits:
    """Where too close and too far begin."""

    copy: float  # correlation with a training or synthetic image from which an image is a copy
    leak: float  # correlation with a test image from which the test set has leaked, whatever features say
    feature_copy: float  # cosine distance below which an image is a copy, whatever its pixels say
    outlier: dict[str, float]  # label -> cosine distance to its nearest training image beyond which it is an outlier

    def to_dict(self) -> dict[str, object]:
        """As JSON has it: where nothing can be said there is null."""
        outlier = {label: round(far, 6) if np.isfinite(far) else None for label, far in self.outlier.items()}
        return {
            "copy_correlation": round(self.copy, 6),
            "leak_correlation": round(self.leak, 6),
            "copy_feature_distance": round(self.feature_copy, 6),
            "outlier_feature_distance": outlier,
        }


def limits(train: Prepared, groups: Sequence[str]) -> Limits:
    """Limits from the real images.

    Args:
        groups: the part that each training image shows; images of one part say nothing of how alike parts are.
    """
    names, part = np.unique(np.array(groups, dtype=str), return_inverse=True)
    order = np.argsort(part, kind="stable")
    ordered = part[order]
    own = np.stack([np.searchsorted(ordered, ordered, "left"), np.searchsorted(ordered, ordered, "right")], axis=1)
    sorted_train = train.gallery[order]
    _, alike = nearest(sorted_train, sorted_train, forbidden=own)
    _, apart = nearest_distance(train.embeddings, train.embeddings, query_groups=part, groups=part)
    copy = copy_limit(alike) if len(names) >= FEW else COPY_DEFAULT
    return Limits(
        copy=copy,
        leak=(1 + copy) / 2,
        feature_copy=feature_copy_limit(apart),
        outlier={label: _outlier_limit(train, part, label) for label in np.unique(train.labels)},
    )


def copy_limit(alike: np.ndarray) -> float:
    """Correlation beyond which two images show one part, from every real image's with the nearest other part.

    The smaller of the two halves' spreads is taken: parts that the groups failed to join widen the upper half, rare
    kinds the lower one.
    """
    z = np.arctanh(np.clip(alike[alike > -1], -0.999, 0.999))  # Fisher's: about normal, whatever the correlation
    if len(z) < FEW:
        return COPY_DEFAULT
    low, middle, high = np.quantile(z, [0.25, 0.5, 0.75])
    spread = min(middle - low, high - middle) / 0.6745
    return float(np.clip(np.tanh(middle + SPREADS * spread), COPY_FLOOR, COPY_CEILING))


def feature_copy_limit(apart: np.ndarray) -> float:
    """Cosine distance below which features are closer than two parts' ever are; 0 where nothing can be said."""
    apart = apart[np.isfinite(apart)]
    if len(apart) < FEW or apart.min() < SAME:
        return 0.0
    low, middle, high = np.quantile(np.log(apart), [0.25, 0.5, 0.75])
    return float(min(np.exp(middle - SPREADS * (high - low) / 1.349), apart.min() / 2))


def outlier_limit(apart: np.ndarray) -> float:
    """Cosine distance that hardly any real image has to the nearest of another part; infinite where unknown."""
    apart = apart[np.isfinite(apart) & (apart > SAME)]
    if len(apart) < FEW:
        return np.inf
    _, middle, high = np.quantile(np.log(apart), [0.25, 0.5, 0.75])
    fence = np.exp(middle + SPREADS * (high - middle) / 0.6745)
    least, most = (times * np.quantile(apart, 0.99) for times in OUTLIER_RANGE)
    return float(np.clip(fence, least, most))


def judge(synthetic: Prepared, train: Prepared, test: Prepared, accepted: Gallery, bounds: Limits) -> list[Finding]:
    """Findings in the order of the synthetic images; of two that are alike the earlier one stays.

    Args:
        accepted: what earlier rounds accepted.

    A photograph into which a defect was set is like that photograph, and like others that were made of it, because it
    is to be: of those no likeness is a reason. What was set in is compared before, by itself.

    Raises:
        FailedPrecondition: a synthetic image is a copy of a test image.
    """
    real, close = nearest(synthetic.gallery, train.gallery)
    _check_no_leak(synthetic, close, test, bounds)
    gallery = accepted.joined(synthetic.gallery)
    place = len(accepted) + np.arange(len(synthetic))
    later = np.stack([place, np.full(len(synthetic), len(gallery))], axis=1)
    twin, to_twin = nearest(synthetic.gallery, gallery, forbidden=later)
    # What was accepted before is compared in pixels only: who copies it in features copies it there too.
    by_features = earlier_twins(synthetic.embeddings, bounds.feature_copy)
    copied, far = _by_label(synthetic, train, bounds.feature_copy)
    findings = []
    for i, label in enumerate(synthetic.labels):
        duplicate = int(twin[i]) if to_twin[i] >= bounds.copy else -1
        if duplicate < 0 <= by_features[i]:
            duplicate = len(accepted) + int(by_features[i])
        if synthetic.set_in is not None and synthetic.set_in[i]:
            duplicate, is_copy = -1, False
        else:
            is_copy = bool(close[i] >= bounds.copy or copied[i])
        checks = {
            "near_copy": is_copy,
            "near_duplicate": duplicate >= 0,
            "outlier": far[i] > bounds.outlier.get(label, np.inf),
        }
        reasons = tuple(name for name, holds in checks.items() if holds)
        findings.append(Finding(reasons, int(real[i]), float(1 - close[i]), float(far[i]), duplicate))
    return findings


def _check_no_leak(synthetic: Prepared, close: np.ndarray, test: Prepared, bounds: Limits) -> None:
    """A copy of a test image is a leak, also if a training image shows the same: then the split has leaked.

    A run is not stopped on one coincidence: whatever looks like a training image as well, or like the test image less
    than clearly, is a leak only if features say so of the same image.
    """
    if not len(test):
        return
    closest, to_test = nearest(synthetic.gallery, test.gallery)
    agreed = 1 - np.einsum("nc,nc->n", synthetic.embeddings, test.embeddings[closest]) < bounds.feature_copy
    explained = close >= bounds.copy
    clear, likely = to_test >= bounds.leak, to_test >= bounds.copy
    leaks = np.flatnonzero(np.where(explained, clear & agreed, clear | (likely & agreed)))
    if len(leaks):
        raise FailedPrecondition(
            f"{len(leaks)} synthetic images copy test images (the first is number {leaks[0] + 1}, correlation "
            f"{to_test[leaks[0]]:.3f}; from {bounds.leak:.3f} on it counts, where features agree from "
            f"{bounds.copy:.3f} on), {explained[leaks].sum()} of them training images that show the same: the "
            "generator has seen the test set; ingest again with groups that hold together what shows the same part, "
            "and train again"
        )


def _by_label(synthetic: Prepared, train: Prepared, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Whether a training image of any label lies within a cosine distance (N,), and how far the next of the own lies.

    A perfect good part is a strange defect, so outliers are measured against their own label.
    """
    own = np.full(len(synthetic), np.inf, np.float32)
    within = np.zeros(len(synthetic), bool)
    for label in np.unique(synthetic.labels):
        rows, same = synthetic.labels == label, train.labels == label
        _, own[rows] = nearest_distance(synthetic.embeddings[rows], train.embeddings[same])
        within[rows] = any_within(synthetic.embeddings[rows], train.embeddings[~same], radius)
    return within | (own < radius), own


def _outlier_limit(train: Prepared, part: np.ndarray, label: str) -> float:
    same = train.labels == label
    rows, own = train.embeddings[same], part[same]
    return outlier_limit(nearest_distance(rows, rows, query_groups=own, groups=own)[1])
