"""Pictures of an explanation: the heatmap by itself, and the image under it with its boxes."""

from collections.abc import Sequence

import cv2
import numpy as np

from defectory.imaging import encode_png
from services.explainer.boxes import Box

OPACITY = 0.45  # of the heatmap at its hottest
VIEW_PX = 256  # small images are shown at least this large
BOX_COLOUR = (255, 255, 255)


def enlarge(heat: np.ndarray, width: int, height: int) -> np.ndarray:
    """A heatmap of the target layer's size, bilinear at the image's size, still in [0, 1]."""
    return np.clip(cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)


def heatmap_png(heatmap: np.ndarray) -> bytes:
    """8-bit grey, 255 where it is highest."""
    return encode_png(np.round(heatmap * 255).astype(np.uint8))


def overlay_png(image: np.ndarray, heatmap: np.ndarray, boxes: Sequence[Box]) -> bytes:
    """The RGB image (uint8 (height, width, 3)) under the coloured heatmap, with boxes; enlarged to be seen."""
    colours = cv2.cvtColor(
        cv2.applyColorMap(np.round(heatmap * 255).astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB
    )
    weight = (OPACITY * heatmap)[..., None]
    blended = np.round(image * (1 - weight) + colours * weight).astype(np.uint8)
    scale = max(1, -(-VIEW_PX // max(image.shape[:2])))
    size = (image.shape[1] * scale, image.shape[0] * scale)
    view = cv2.resize(blended, size, interpolation=cv2.INTER_CUBIC) if scale > 1 else blended
    for box in boxes:
        corners = (box.x * scale, box.y * scale), ((box.x + box.width) * scale - 1, (box.y + box.height) * scale - 1)
        cv2.rectangle(view, *corners, (0, 0, 0), 3)
        cv2.rectangle(view, *corners, BOX_COLOUR, 1)
    return encode_png(view)
