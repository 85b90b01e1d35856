"""How well two images agree once one is moved onto the other: normalised correlation over small shifts and flips.

All flips and shifts are computed at once, by matrix products. About its centre an image is a sum of cosines and sines,
and a flip only turns the sines' signs. So each image is transformed once, a pair's cosines and sines are multiplied
with each other in all ways, and the transform back, of the few shifts wanted, adds them up with each flip's signs. Sums
over the part where the two overlap normalise the result, so what enters at an edge costs nothing. A parabola through
the peak allows for shifts between pixels.
"""

import numpy as np

from services.filter.structure import SIDE

MAX_SHIFT = SIDE // 7  # px: an eighth of the image
PAD = SIDE + MAX_SHIFT  # beyond it a shift would wrap around
SHIFTS = np.arange(-MAX_SHIFT, MAX_SHIFT + 1)
IMAGES = 4  # whose products with their candidates are made at once: few enough to stay in a core's cache
_OVERLAP = np.outer(SIDE - abs(SHIFTS), SIDE - abs(SHIFTS)).astype(np.float32)  # pixels
_INSIDE = np.stack([(np.arange(SIDE) >= s) & (np.arange(SIDE) < SIDE + s) for s in SHIFTS], axis=1).astype(np.float32)
_HALF = PAD // 2 + 1  # frequencies of a real image, along a side


def _transforms() -> tuple[np.ndarray, np.ndarray]:
    """Along one side: from pixels (SIDE) to waves, and from products of two images' waves to (flips, shifts).

    Waves are cosines, sines, and cosines again: a window of two kinds from the first on meets like with like (cc, ss),
    one from the second on cosines with sines (cs, sc).
    """
    angle = 2 * np.pi * np.arange(_HALF) / PAD
    pixels = np.outer(np.arange(SIDE) - (SIDE - 1) / 2, angle)
    shifts = np.outer(angle, SHIFTS)
    share = np.full((_HALF, 1), 2 / PAD)  # negative frequencies are those of a real image again
    share[0] = 1 / PAD
    if PAD % 2 == 0:
        share[-1] = 1 / PAD
    cosine, sine = np.cos(shifts) * share, np.sin(shifts) * share
    to_shifts = np.block([[cosine, cosine], [cosine, -cosine], [-sine, -sine], [sine, -sine]])  # cc, ss, cs, sc
    to_waves = np.concatenate([np.cos(pixels), np.sin(pixels), np.cos(pixels)], axis=1)
    return to_waves.astype(np.float32), to_shifts.astype(np.float32)


_TO_WAVES, _TO_SHIFTS = _transforms()


def correlate(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Best correlation of pairs over flips of the left one and shifts of at most MAX_SHIFT pixels.

    Args:
        left: (N, SIDE, SIDE) images. right: (N, K, SIDE, SIDE), K images for each of them.

    Returns:
        float32 (N, K) in [-1, 1].
    """
    count, each = right.shape[:2]
    left, others = (images.astype(np.float32).reshape(-1, SIDE, SIDE) for images in (left, right))
    mean, spread = (_turned(part)[:, None] for part in _overlap(left))  # (N, 1, flips, flips, shifts, shifts)
    other_mean, other_spread = (
        part[:, ::-1, ::-1].reshape(count, each, 1, 1, *_OVERLAP.shape) for part in _overlap(others)
    )
    values = mean * other_mean
    np.subtract(_at_shifts(left, others), values, out=values)
    scale = spread * other_spread
    values /= np.maximum(scale, 1e-3)
    values *= scale > 1e-3  # where nothing is left to compare, nothing is alike
    best: np.ndarray = _peak(values.reshape(-1, *_OVERLAP.shape)).reshape(count, each, -1).max(axis=2)
    return best


def _at_shifts(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sums of products at every flip and shift: (N, K, flips, flips, shifts down, shifts across).

    Args:
        left: (N, SIDE, SIDE). right: (N K, SIDE, SIDE).
    """
    count, each, kinds = len(left), len(right) // len(left), 2 * _HALF
    products = np.empty((IMAGES, each, 2, kinds, 2, kinds), np.float32)
    sums = np.empty((count * each, 2 * len(SHIFTS), 2 * len(SHIFTS)), np.float32)
    for start in range(0, count, IMAGES):
        own = _waves(left[start : start + IMAGES])
        pairs = slice(start * each, (start + len(own)) * each)
        others = _waves(right[pairs]).reshape(len(own), each, *2 * (3 * _HALF,))
        product = products[: len(own)]
        for down, across in np.ndindex(2, 2):  # like with like, and cosines with sines
            window = others[:, :, down * _HALF :, across * _HALF :][:, :, :kinds, :kinds]
            np.multiply(own[:, None, :kinds, :kinds], window, out=product[:, :, down, :, across])
        rows = (product.reshape(-1, 2 * kinds) @ _TO_SHIFTS).reshape(-1, 2 * kinds, 2 * len(SHIFTS))
        np.matmul(_TO_SHIFTS.T, rows, out=sums[pairs])
    return sums.reshape(count, each, 2, len(SHIFTS), 2, len(SHIFTS)).swapaxes(3, 4)


def _waves(images: np.ndarray) -> np.ndarray:
    """Waves (N, down, across) of images (N, SIDE, SIDE), each cosines, sines and cosines again."""
    across = (images.reshape(-1, SIDE) @ _TO_WAVES).reshape(len(images), SIDE, -1)
    return np.asarray(_TO_WAVES.T @ across)


def _turned(overlap: np.ndarray) -> np.ndarray:
    """(N, shifts, shifts) at every flip of the images: (N, flips, flips, shifts down, shifts across)."""
    across = np.stack([overlap, overlap[:, :, ::-1]], axis=1)
    return np.stack([across, across[:, :, ::-1]], axis=1)


def _overlap(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the part of each image that lies over the other one moved by each shift, (N, shifts, shifts).

    Returns:
        (sum, divided by the root of its pixels' number; root of the sum of squared differences from the mean).
    """
    sum_, square = (
        _INSIDE.T @ (values.reshape(-1, SIDE) @ _INSIDE).reshape(len(images), SIDE, -1)
        for values in (images, images * images)
    )
    mean = sum_ / np.sqrt(_OVERLAP)
    return mean, np.sqrt(np.maximum(square - mean * mean, 0))


def _peak(values: np.ndarray) -> np.ndarray:
    """Highest value of each surface (N, shifts, shifts), between the pixels too, at most 1."""
    width = values.shape[2]
    top = values.reshape(len(values), -1).argmax(axis=1)
    y, x, row = top // width, top % width, np.arange(len(values))
    centre = values[row, y, x]
    gain = np.zeros_like(centre)
    for dy, dx in ((1, 0), (0, 1)):
        inside = (y - dy >= 0) & (y + dy < width) & (x - dx >= 0) & (x + dx < width)
        before = values[row, np.maximum(y - dy, 0), np.maximum(x - dx, 0)]
        after = values[row, np.minimum(y + dy, width - 1), np.minimum(x + dx, width - 1)]
        curvature = np.minimum(before - 2 * centre + after, -1e-6)
        offset = 0.5 * (before - after) / curvature
        gain += np.where(inside & (np.abs(offset) <= 0.75), 0.25 * (after - before) * offset, 0)
    return np.asarray(np.clip(centre + np.maximum(gain, 0), -1, 1), np.float32)
