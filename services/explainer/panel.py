"""An explanation as a picture: under its heat, or in grey with the reason where the heat says nothing."""

from typing import TYPE_CHECKING

import numpy as np

from defectory.imaging import encode_png
from services.explainer.overlay import overlay, overlay_png, thumbnail, without_heat

if TYPE_CHECKING:
    from services.explainer.explanation import Explanation


def view(explanation: "Explanation") -> np.ndarray:
    """As a contact sheet shows it: uint8 (height, width, 3)."""
    if explanation.unclear:
        return without_heat(thumbnail(explanation.shown), [explanation.unclear])
    return overlay(explanation.shown, explanation.heatmap, explanation.shown_boxes, explanation.threshold)


def panel_png(explanation: "Explanation", caption: str) -> bytes:
    """By itself, with a caption, as PNG."""
    if explanation.unclear:
        return encode_png(without_heat(explanation.shown, [caption, explanation.unclear]))
    seen = explanation.shown, explanation.heatmap, explanation.shown_boxes, explanation.threshold
    return overlay_png(*seen, caption)
