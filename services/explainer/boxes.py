"""Boxes around what drove a decision: connected parts of the heatmap above a threshold, by one of three rules."""

from dataclasses import asdict, dataclass
from typing import get_args

import cv2
import numpy as np

from defectory.alike import one_of
from defectory.errors import InvalidInput
from defectory.job_settings.explaining import BoxRuleName, Explaining

DEFAULT_SHARE = 0.15  # of the maximum: Grad-CAM's own rule, and the paper's
DEFAULT_PERCENTILE = 0.9


@dataclass(frozen=True)
class BoxRule:
    """From which heat on a pixel belongs to a box.

    Attributes:
        name: `share` of the maximum; `percentile`, the hottest 1 - value of all pixels; `otsu`, which parts the pixels
            into two classes with the least variance inside them (Otsu 1979) and needs no value.
        value: in (0, 1); None: 0.15 for `share`, 0.9 for `percentile`.

    Raises:
        InvalidInput: no such rule, a value out of range, or one for `otsu`.
    """

    name: BoxRuleName = "share"
    value: float | None = None

    def __post_init__(self) -> None:
        if self.name not in get_args(BoxRuleName):
            right = one_of(self.name, get_args(BoxRuleName))
            raise InvalidInput(f"box_rule {self.name!r}: {right}", {"box_rule": right})
        if self.value is not None and (self.name == "otsu" or not 0 < self.value < 1):
            right = "leave it out" if self.name == "otsu" else "use more than 0 and less than 1"
            raise InvalidInput(f"box_threshold {self.value} of rule {self.name}: {right}", {"box_threshold": right})

    def threshold(self, heatmap: np.ndarray) -> float:
        """The heat from which on a pixel of this heatmap belongs to a box."""
        if self.name == "share":
            return (self.value or DEFAULT_SHARE) * float(heatmap.max())
        if self.name == "percentile":
            return float(np.quantile(heatmap, self.value or DEFAULT_PERCENTILE))
        levels = np.round(heatmap / heatmap.max() * 255).astype(np.uint8)
        level, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        threshold: float = (level + 0.5) / 255 * float(heatmap.max())
        return threshold


@dataclass(frozen=True)
class Box:
    """A box in pixels of the image, around a connected part of what is hot."""

    x: int
    y: int
    width: int
    height: int
    heat: float  # mean inside the connected part, in [0, 1]
    peak: float  # the highest inside it, in [0, 1]

    def enlarged(self, across: float, down: float) -> "Box":
        """The box in an image so many times as large."""
        left, top = round(self.x * across), round(self.y * down)
        right, bottom = round((self.x + self.width) * across), round((self.y + self.height) * down)
        return Box(left, top, right - left, bottom - top, self.heat, self.peak)

    def to_dict(self) -> dict[str, float]:
        """As plain values."""
        return asdict(self)


def rule_of(how: Explaining) -> BoxRule:
    """The rule of the boxes; InvalidInput for a value that it has no use for."""
    return BoxRule(how.box_rule, how.box_threshold)


def hot(heatmap: np.ndarray, threshold: float) -> np.ndarray:
    """Which pixels belong to a box, bool: those from the threshold on; what is cold is in none."""
    where: np.ndarray = (heatmap >= threshold) & (heatmap > 0)
    return where


def find_boxes(heatmap: np.ndarray, rule: BoxRule | None = None) -> list[Box]:
    """Boxes of the heatmap (float, (height, width), in [0, 1]), largest first; none when nothing is hot."""
    if float(heatmap.max(initial=0)) <= 0:
        return []
    threshold = (rule or BoxRule()).threshold(heatmap)
    where = hot(heatmap, threshold).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(where, connectivity=8)
    heat = np.bincount(parts.ravel(), weights=heatmap.ravel(), minlength=count)
    peaks = np.zeros(count)
    np.maximum.at(peaks, parts.ravel(), heatmap.ravel())
    boxes = []
    for part in range(1, count):  # 0 is the background
        left, top, width, height, area = map(int, stats[part])
        boxes.append(Box(left, top, width, height, float(heat[part] / area), float(peaks[part])))
    return sorted(boxes, key=lambda b: (-b.width * b.height, b.y, b.x))
