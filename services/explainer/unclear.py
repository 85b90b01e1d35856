"""When heat says nothing of a part, and must not be shown as if it did."""

import numpy as np

from defectory.job_settings.explaining import FEWEST_CELLS
from services.explainer.background import ALARM


def why_unclear(heat: np.ndarray, background: float | None) -> str:
    """The reason for a person; empty where the heat says where.

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
