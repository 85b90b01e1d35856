"""Where there is no part in an image, as far as it can be told, and how much of the heat lies there."""

import cv2
import numpy as np

TOLERANCE = 24  # of 255, how far a channel may be from the edge's median colour
RIM = 2  # px, the edge that says what the background looks like
USABLE = 0.03, 0.9  # share of the image that a background may take up; beyond, nothing can be told
EDGE = 0.6  # share of the outermost pixels that must be background: else the part reaches beyond the picture
ALARM = 0.5  # share of the heat from which the decision is said to rest on the background


def background(image: np.ndarray) -> np.ndarray | None:
    """Pixels (bool, (height, width)) that look like the edge and hang together with it; None where there is none.

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
    return mask if (at_edge > 0).mean() >= EDGE and USABLE[0] <= mask.mean() <= USABLE[1] else None


def heat_on_background(image: np.ndarray, heatmap: np.ndarray) -> float | None:
    """Share of the heat (float, (height, width)) that lies on the background; None where no background is told."""
    where, total = background(image), float(heatmap.sum())
    return None if where is None or total <= 0 else float(heatmap[where].sum()) / total
