"""A fixed descriptor of surfaces and parts that needs no download: what is where, how bright, how rough.

Networks trained on everyday photographs see little in small grey pictures of one part, and their weights are not to be
had everywhere. This descriptor is blind to meaning, but not to what sets one tile or cable off from another: mean and
spread of levels and of oriented derivatives, at three scales, in the quarters of the picture, and its coarse layout.
"""

import numpy as np

SCALES = (1, 2, 4)  # of reduction
QUARTERS = 2  # a side
LAYOUT_PX = 8
CACHED_PX = 2**15  # pixels described at once: as many as stay in a cache


def texture(pixels: np.ndarray) -> np.ndarray:
    """Describe images.

    Shapes:
        pixels: (N, R, R, C) uint8, R a multiple of 8; returns (N, F) float32
    """
    batch = max(1, CACHED_PX // pixels[0, ..., 0].size)
    return np.concatenate([_describe(pixels[start : start + batch]) for start in range(0, len(pixels), batch)])


def standardised(reference: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Features (N, F) with mean 0 and deviation 1 in the reference; the others are scaled alike."""
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    deviation = np.where(deviation > 1e-6, deviation, 1.0)
    return [((x - mean) / deviation).astype(np.float32) for x in (reference, *others)]


def _describe(images: np.ndarray) -> np.ndarray:
    """Images (N, R, R, C) to (N, F)."""
    levels = images.astype(np.float32)
    grey = levels.mean(axis=3)
    parts = [_by_quarter(levels)]
    for scale in SCALES:
        level = _reduced(grey, grey.shape[1] // scale)
        down, across = np.gradient(level, axis=(1, 2))
        slanted = np.gradient(across, axis=1)
        parts.append(_by_quarter(np.stack([np.abs(x) for x in (down, across, slanted)], axis=3)))
    parts.append(_reduced(grey, LAYOUT_PX).reshape(len(images), -1))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _reduced(grey: np.ndarray, side: int) -> np.ndarray:
    """Means of blocks: (N, R, R) to (N, side, side)."""
    step = grey.shape[1] // side
    means: np.ndarray = grey.reshape(len(grey), side, step, side, step).mean(axis=(2, 4))
    return means


def _by_quarter(maps: np.ndarray) -> np.ndarray:
    """Mean and deviation of every map (N, R, R, C) in every quarter: (N, 8 C)."""
    side = maps.shape[1] // QUARTERS
    tiles = maps[:, : side * QUARTERS, : side * QUARTERS].reshape(len(maps), QUARTERS, side, QUARTERS, side, -1)
    return np.concatenate([f(axis=(2, 4)).reshape(len(maps), -1) for f in (tiles.mean, tiles.std)], axis=1)
