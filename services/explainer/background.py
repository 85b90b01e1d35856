"""Where there is no part in an image, as far as it can be told, and how much of the heat lies there."""

import cv2
import numpy as np

TOLERANCE = 24  # of 255, how far a channel may be from the edge's median colour
RIM = 2  # px, the edge that says what the background looks like
USABLE = 0.03, 0.9  # share of the image that a background may take up; beyond, nothing can be told
EDGE = 0.6  # share of the outermost pixels that must be background: else the part reaches beyond the picture
# Share of the background's border at which the colour must step by TOLERANCE. A part that fills the picture is in
# places as bright as its edge, too, but there the light fades (docs/decisions/0071-a-background-ends-at-an-edge.md).
STEPS = 0.55
NEAR = 40  # th of the longer side, within which a step is one
ALARM = 0.5  # share of the heat from which the decision is said to rest on the background


def background(image: np.ndarray) -> np.ndarray | None:
    """Pixels (bool, (height, width)) that look like the edge and hang together with it; None where there is none.

    A part that fills the picture has none: what looks like the edge of such a picture does not end at an outline.

    Args:
        image: uint8 (height, width, 3).
    """
    smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
    rim = np.concatenate(
        [smooth[:RIM].reshape(-1, 3), smooth[-RIM:].reshape(-1, 3), smooth[:, :RIM].reshape(-1, 3),
         smooth[:, -RIM:].reshape(-1, 3)]
    )  # fmt: skip
    colour = np.median(rim, axis=0)
    low, high = np.ceil(colour - TOLERANCE).clip(0), np.floor(colour + TOLERANCE).clip(max=255)
    count, parts = cv2.connectedComponents(cv2.inRange(smooth, low, high), connectivity=4)
    at_edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    hangs_together = np.zeros(count, bool)
    hangs_together[at_edge[at_edge > 0]] = True
    mask = hangs_together[parts]
    usable = (at_edge > 0).mean() >= EDGE and USABLE[0] <= mask.mean() <= USABLE[1]
    return mask if usable and _stepping(smooth, mask) >= STEPS else None


def _stepping(image: np.ndarray, mask: np.ndarray) -> float:
    """Share of the mask's border at which the mean colours near by, on both sides of it, differ by TOLERANCE."""
    reach = max(3, round(max(mask.shape) / NEAR))
    inside = mask.astype(np.float32)

    def mean(weight: np.ndarray) -> np.ndarray:
        size = (2 * reach + 1, 2 * reach + 1)
        weighed = cv2.blur(image * weight[..., None], size)
        return np.asarray(weighed / np.maximum(cv2.blur(weight, size), np.float32(1e-6))[..., None])

    border = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    step = np.abs(mean(inside) - mean(1 - inside)).max(axis=2)
    return float((step[border] >= TOLERANCE).mean())


def heat_on_background(image: np.ndarray, heatmap: np.ndarray) -> float | None:
    """Share of the heat (float, (height, width)) that lies on the background; None where no background is told."""
    where, total = background(image), float(heatmap.sum())
    return None if where is None or total <= 0 else float(heatmap[where].sum()) / total
