"""Boxes around what drove a decision: connected parts of the heatmap above a share of its maximum (the paper's 15%)."""

from dataclasses import asdict, dataclass

import cv2
import numpy as np

DEFAULT_THRESHOLD = 0.15


@dataclass(frozen=True)
class Box:
    """A box in pixels of the image."""

    x: int
    y: int
    width: int
    height: int
    heat: float  # mean inside the connected part, in [0, 1]

    def to_dict(self) -> dict[str, float]:
        """As plain values."""
        return asdict(self)


def find_boxes(heatmap: np.ndarray, threshold: float = DEFAULT_THRESHOLD) -> list[Box]:
    """Boxes of the heatmap (float, (height, width), in [0, 1]), largest first; none when nothing is hot."""
    peak = float(heatmap.max(initial=0))
    if peak <= 0:
        return []
    hot = (heatmap >= threshold * peak).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(hot, connectivity=8)
    boxes = [
        Box(*(int(v) for v in stats[part][:4]), float(heatmap[parts == part].mean()))  # type: ignore[call-arg]
        for part in range(1, count)  # 0 is the background
    ]
    return sorted(boxes, key=lambda b: (-b.width * b.height, b.y, b.x))
