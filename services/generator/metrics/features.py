"""A fixed descriptor of surfaces and parts that needs no download: what is where, how bright, how rough.

Networks trained on everyday photographs see little in small grey pictures of one part, and their weights are not to be
had everywhere. This descriptor is blind to meaning, but not to what sets one tile or cable off from another: mean and
spread of levels and of oriented derivatives, at three scales, in the quarters of the picture, and its coarse layout.
"""

import numpy as np
from PIL import Image

SCALES = (1, 2, 4)  # of reduction
QUARTERS = 2  # a side
LAYOUT_PX = 8


def texture(pixels: np.ndarray) -> np.ndarray:
    """Describe images.

    Shapes:
        pixels: (N, R, R, C) uint8, R a multiple of 8; returns (N, F) float32
    """
    return np.stack([_describe(image) for image in pixels])


def standardised(reference: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Features (N, F) with mean 0 and deviation 1 in the reference; the others are scaled alike."""
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    deviation = np.where(deviation > 1e-6, deviation, 1.0)
    return [((x - mean) / deviation).astype(np.float32) for x in (reference, *others)]


def _describe(image: np.ndarray) -> np.ndarray:
    grey = image.astype(np.float32).mean(axis=2)
    parts = [_by_quarter(image.astype(np.float32))]
    for scale in SCALES:
        level = _reduced(grey, len(grey) // scale)
        down, across = np.gradient(level)
        slanted = np.gradient(across)[0]
        parts.append(_by_quarter(np.stack([np.abs(x) for x in (down, across, slanted)], axis=2)))
    parts.append(_reduced(grey, LAYOUT_PX).ravel())
    return np.concatenate(parts).astype(np.float32)


def _reduced(grey: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BOX))


def _by_quarter(maps: np.ndarray) -> np.ndarray:
    """Mean and deviation of every map (R, R, C) in every quarter."""
    side = len(maps) // QUARTERS
    tiles = maps[: side * QUARTERS, : side * QUARTERS].reshape(QUARTERS, side, QUARTERS, side, -1)
    return np.concatenate([tiles.mean(axis=(1, 3)).ravel(), tiles.std(axis=(1, 3)).ravel()])
