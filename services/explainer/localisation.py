"""Is the heat where the defect is? Heatmaps scored against masks drawn by people.

Pointing game: Zhang et al. 2016 (arXiv:1608.00507). MaxBoxAccV2: Choe et al. 2020 (arXiv:2001.08437).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

TOLERANCE = 0.03  # of the longer side: the pointing game's 15 pixels at its images' 500
THRESHOLDS = np.arange(0.01, 1, 0.01)  # shares of the maximum at which boxes are tried
OVERLAPS = (0.3, 0.5, 0.7)  # intersections over unions that count as found


@dataclass(frozen=True)
class Localisation:
    """One heatmap against one mask.

    Attributes:
        hit: the hottest pixel lies on the defect, or within the tolerance of it.
        chance: share of the pixels that would be a hit.
        inside: share of the heat that lies on the defect, in [0, 1]. area: share of the pixels that are defect.
        overlaps: (len(THRESHOLDS),), at each threshold the best intersection over union of any box with any of the
            defect's.
        empty: there is no heat anywhere: nothing spoke for the label.
    """

    hit: bool
    chance: float
    inside: float
    area: float
    overlaps: np.ndarray
    empty: bool

    @property
    def beside(self) -> bool:
        """Less heat lies on the defect than would if it were spread evenly."""
        return self.inside < self.area * (1 - 1e-3)  # even heat is not beside it, however its sum was rounded


def localise(heatmap: np.ndarray, mask: np.ndarray) -> Localisation:
    """Score a heatmap (float, (height, width), in [0, 1]) against a mask of its size (bool) with a defect on it."""
    radius = max(1, round(TOLERANCE * max(mask.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    near = cv2.dilate(mask.astype(np.uint8), disc).astype(bool)
    total = float(heatmap.sum())
    hottest = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    return Localisation(
        hit=total > 0 and bool(near[hottest]),
        chance=float(near.mean()),
        inside=float(heatmap[mask].sum()) / total if total > 0 else 0.0,
        area=float(mask.mean()),
        overlaps=_overlaps(heatmap, mask),
        empty=total <= 0,
    )


def max_box_acc_v2(localisations: Sequence[Localisation]) -> dict[str, float]:
    """{"mean": MaxBoxAccV2, "0.3": share of images found at the best threshold for that overlap, …}."""
    overlaps = np.stack([x.overlaps for x in localisations])
    shares = {str(least): float((overlaps >= least).mean(axis=0).max()) for least in OVERLAPS}
    return {"mean": float(np.mean(list(shares.values()))), **shares}


def _overlaps(heatmap: np.ndarray, mask: np.ndarray) -> np.ndarray:
    peak = float(heatmap.max())
    best = np.zeros(len(THRESHOLDS))
    if peak <= 0:
        return best
    true = _boxes(mask)
    for number, share in enumerate(THRESHOLDS):
        boxes = _boxes(heatmap >= share * peak)
        best[number] = _intersections_over_unions(boxes, true).max()
    return best


def _boxes(hot: np.ndarray) -> np.ndarray:
    """(n, 4) left, top, right, bottom (exclusive) of the connected parts."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(hot.astype(np.uint8), connectivity=8)
    corner, size = stats[1:, :2], stats[1:, 2:4]
    return np.concatenate([corner, corner + size], axis=1)


def _intersections_over_unions(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n, m) of boxes (n, 4) and (m, 4)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    return np.asarray(common / (areas[0][:, None] + areas[1][None] - common))
