"""When heat says nothing of a part, and must not be shown as if it did."""

import numpy as np

from defectory.job_settings.explaining import FEWEST_CELLS
from services.explainer.background import ALARM
from services.explainer.boxes import Box, BoxRule, find_boxes

WHOLE = 0.9  # of a picture's area, from which a box is nearly all of it


def boxes_or_why_none(
    heat: np.ndarray, heatmap: np.ndarray, background: float | None, rule: BoxRule | None = None
) -> tuple[list[Box], str]:
    """(boxes, why the heat says nothing): without boxes where there is a reason.

    Args:
        heat: (h, w), before it is enlarged. heatmap: (height, width) in [0, 1], as it lies on the picture.
        background: share of it on the background, where one can be told.
    """
    if why := why_unclear(heat, background):
        return [], why
    boxes = find_boxes(heatmap, rule)
    if any(box.width * box.height >= WHOLE * heatmap.size for box in boxes):
        return [], "no heat shown: its box is nearly the whole picture"
    return boxes, ""


def why_unclear(heat: np.ndarray, background: float | None) -> str:
    """The reason for a person, as far as no box is needed for it; empty where the heat says where.

    Args:
        heat: (h, w), before it is enlarged. background: share of it on the background, where one can be told.
    """
    height, width = heat.shape
    if heat.size < FEWEST_CELLS:
        return f"no heat shown: {height}x{width} cells are too coarse"
    if heat.max() <= 0:
        return "no heat: nothing spoke for the label"
    if background is not None and background > ALARM:
        return "no heat shown: it lies on the background"
    return ""
