"""Whether a synthetic image is new: no copy of a training image, no duplicate, no outlier, no test image.

What counts as "too close" and "too far" is read off the real images: how close the nearest other part comes, and how
far from its neighbours a real image lies.
"""

from dataclasses import dataclass

import numpy as np

from defectory.errors import FailedPrecondition
from services.filter.similarity import Gallery, nearest

COPY_FLOOR = 0.95  # below this correlation nothing is called a copy, however unlike the real images are
LEAK_FLOOR = 0.97
OUTLIER_FACTOR = 2.0  # times the distance at which 99% of the real images have their neighbour
BLOCK = 2048


@dataclass(frozen=True)
class Finding:
    """What is known of one synthetic image."""

    reasons: tuple[str, ...]
    nearest_real: int  # row of the training gallery, -1 where there is none
    distance: float  # 1 - correlation with it, in [0, 2]


@dataclass(frozen=True)
class Limits:
    """Where too close and too far begin."""

    copy: float  # correlation with a training or synthetic image from which an image is a copy
    leak: float  # correlation with a test image from which the test set has leaked
    outlier: float  # cosine distance to the nearest training image's embedding beyond which an image is an outlier


def limits(train: Gallery, train_groups: list[str], test: Gallery, embeddings: np.ndarray) -> Limits:
    """Limits from the real images.

    Args:
        train_groups: the part that each training image shows; images of one part say nothing of how alike parts are.
        embeddings: (len(train), channels).
    """
    order = np.argsort(np.array(train_groups, dtype=str), kind="stable")
    sorted_train = Gallery([])
    sorted_train.pixels, sorted_train.thumbs = train.pixels[order], train.thumbs[order]
    groups = np.array(train_groups, dtype=str)[order]
    ranges = np.stack([np.searchsorted(groups, groups, "left"), np.searchsorted(groups, groups, "right")], axis=1)
    _, other_parts = nearest(sorted_train, sorted_train, forbidden=ranges)
    _, across = nearest(test, train)
    alike = float(np.quantile(other_parts, 0.99)) if len(other_parts) else -1.0
    most_alike = float(max(other_parts.max(initial=-1.0), across.max(initial=-1.0)))
    own = _nearest_distance(embeddings, embeddings, skip_self=True)
    far = float(np.quantile(own, 0.99)) if len(own) else np.inf
    return Limits(
        copy=max(COPY_FLOOR, (1 + alike) / 2),
        leak=max(LEAK_FLOOR, (1 + most_alike) / 2),
        outlier=OUTLIER_FACTOR * far if np.isfinite(far) and far > 0 else np.inf,
    )


def judge(
    synthetic: Gallery,
    embeddings: np.ndarray,
    train: Gallery,
    train_embeddings: np.ndarray,
    test: Gallery,
    accepted: Gallery,
    bounds: Limits,
) -> list[Finding]:
    """Findings in the order of the synthetic images; of two that are alike the earlier one stays.

    Args:
        accepted: what earlier rounds accepted.

    Raises:
        FailedPrecondition: a synthetic image is a copy of a test image, closer than to any training image.
    """
    real, close = nearest(synthetic, train)
    _, to_test = nearest(synthetic, test)
    leaked = np.flatnonzero((to_test >= bounds.leak) & (to_test > close))
    if len(leaked):
        raise FailedPrecondition(
            f"{len(leaked)} synthetic images copy test images (the first is number {leaked[0] + 1}, correlation "
            f"{to_test[leaked[0]]:.3f}): the generator has seen the test set; ingest again with groups that hold "
            "together what shows the same part, and train again"
        )
    gallery = accepted.joined(synthetic)
    place = len(accepted) + np.arange(len(synthetic))
    later = np.stack([place, np.full(len(synthetic), len(gallery))], axis=1)
    _, to_earlier = nearest(synthetic, gallery, forbidden=later)
    far = _nearest_distance(embeddings, train_embeddings)
    findings = []
    for i in range(len(synthetic)):
        checks = {
            "near_copy": close[i] >= bounds.copy,
            "near_duplicate": to_earlier[i] >= bounds.copy,
            "outlier": far[i] > bounds.outlier,
        }
        reasons = tuple(name for name, found in checks.items() if found)
        findings.append(Finding(reasons, int(real[i]), float(1 - close[i])))
    return findings


def _nearest_distance(queries: np.ndarray, gallery: np.ndarray, *, skip_self: bool = False) -> np.ndarray:
    """Cosine distance (N,) to the nearest row of the gallery; infinite without one."""
    if not len(gallery) or (skip_self and len(gallery) < 2):
        return np.full(len(queries), np.inf)
    unit = gallery / (np.linalg.norm(gallery, axis=1, keepdims=True) + 1e-9)
    distances = np.empty(len(queries))
    for start in range(0, len(queries), BLOCK):
        part = queries[start : start + BLOCK]
        similarity = (part / (np.linalg.norm(part, axis=1, keepdims=True) + 1e-9)) @ unit.T
        if skip_self:
            similarity[np.arange(len(part)), start + np.arange(len(part))] = -np.inf
        distances[start : start + len(part)] = 1 - similarity.max(axis=1)
    return distances
