"""Where the part lies in its photograph: what is not the ground around it.

There are two ways to tell a ground: it is even, as a table or a backdrop is, or it is dark, where light falls on the
part alone. Neither holds everywhere, and a surface can fill its photograph. Real masks say which way is right for a
dataset: defects lie on parts.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

EVEN = 10  # grey levels from the border's own that still count as an even ground
DARK = 0.4  # of the picture's median: what is darker, and reaches in from the border, is a dark ground
LEAST_GROUND, LEAST_PART = 0.01, 0.05  # shares of the picture; with less of either the part fills it
AGREEING = 0.97  # share of the masks' pixels that lie on the parts found in a way that is right

LOOKED_AT_PX = 160  # longer side at which parts are looked for: grounds are large

Finder = Callable[[np.ndarray], np.ndarray]  # uint8 (H, W, C) -> bool (H, W), which pixels show the part


def on_even_ground(pixels: np.ndarray) -> np.ndarray:
    """All but the even ground that reaches in from the border; everything, where there is none."""
    level = np.median(_border(pixels).reshape(-1, pixels.shape[2]), axis=0)
    return _beside((np.abs(pixels.astype(np.int16) - level) <= EVEN).all(axis=-1))


def on_dark_ground(pixels: np.ndarray) -> np.ndarray:
    """All but what is much darker than the picture and reaches in from the border; everything, where nothing is."""
    grey = cv2.blur(pixels.mean(axis=-1).astype(np.float32), (5, 5))
    return _beside(grey < DARK * np.median(grey))


def opaque(pixels: np.ndarray) -> np.ndarray:
    """What is not transparent, where there is alpha."""
    return np.asarray(pixels[..., 3] > 0)


def filling(pixels: np.ndarray) -> np.ndarray:
    """Everything: the part fills its picture."""
    return np.ones(pixels.shape[:2], bool)


def find(finder: Finder, pixels: np.ndarray) -> np.ndarray:
    """Which pixels of a picture show its part, bool (H, W); along the part's edge rather one too few than too many."""
    height, width = pixels.shape[:2]
    times = -(-max(height, width) // LOOKED_AT_PX)
    if times == 1:
        return finder(pixels)
    size = max(1, width // times), max(1, height // times)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    part = cv2.resize(finder(small).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    eroded: np.ndarray = cv2.erode(part, np.ones((times + 1, times + 1), np.uint8)).astype(bool)
    return eroded


def finder_of(examples: Sequence[tuple[np.ndarray, np.ndarray]]) -> Finder:
    """The way to find parts that agrees with real masks.

    Args:
        examples: (pixels uint8 (H, W, C), mask bool (H, W)) of real photographs, at least one.
    """
    if all(pixels.shape[2] == 4 for pixels, _ in examples):
        return opaque
    masked = sum(int(mask.sum()) for _, mask in examples)
    for finder in (on_even_ground, on_dark_ground):
        parts = [find(finder, pixels[..., :3]) for pixels, _ in examples]
        inside = sum(int((part & mask).sum()) for part, (_, mask) in zip(parts, examples, strict=True))
        if inside >= AGREEING * masked and not np.mean([part.mean() for part in parts]) > 1 - LEAST_GROUND:
            return finder
    return filling


def _beside(ground: np.ndarray) -> np.ndarray:
    """The largest area beside what of a ground reaches in from the border, without holes: such are the part's own."""
    _, areas = cv2.connectedComponents(ground.astype(np.uint8), connectivity=4)
    reaching = np.unique(_border(areas))
    around = np.isin(areas, reaching[reaching > 0])
    outlines, _ = cv2.findContours((~around).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    part = np.zeros(ground.shape, np.uint8)
    if outlines:
        cv2.drawContours(part, [max(outlines, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    if around.mean() < LEAST_GROUND or part.mean() < LEAST_PART:
        return np.ones(ground.shape, bool)
    return part.astype(bool)


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
