"""How well two images agree once one is moved onto the other: normalised correlation over small shifts and flips.

All shifts are computed at once from the spectra; sums over the part where the two overlap normalise them, so what
enters at an edge costs nothing. A parabola through the peak allows for shifts between pixels. Of the inverse transform
only the few shifts wanted are computed, which is a small matrix product.
"""

import numpy as np
from scipy import fft

from services.filter.structure import SIDE

MAX_SHIFT = SIDE // 7  # px: an eighth of the image
PAD = SIDE + MAX_SHIFT  # beyond it a shift would wrap around
FLIPS = 4  # none, left-right, top-bottom, both
SHIFTS = np.arange(-MAX_SHIFT, MAX_SHIFT + 1)
_OVERLAP = np.outer(SIDE - abs(SHIFTS), SIDE - abs(SHIFTS)).astype(np.float32)  # pixels
_INSIDE = np.stack([(np.arange(SIDE) >= s) & (np.arange(SIDE) < SIDE + s) for s in SHIFTS], axis=1).astype(np.float32)
_HALF = PAD // 2 + 1
_TO_DX = np.exp(2j * np.pi * np.outer(np.arange(PAD), SHIFTS) / PAD).astype(np.complex64) / PAD
_TO_DY = np.exp(2j * np.pi * np.outer(np.arange(_HALF), SHIFTS) / PAD).astype(np.complex64) / PAD
_TO_DY[1 : (PAD + 1) // 2] *= 2  # the half of the spectrum that a real image's transform leaves out


def correlate(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Best correlation of pairs over flips of the left one and shifts of at most MAX_SHIFT pixels.

    Args:
        left: (N, SIDE, SIDE) images. right: (N, K, SIDE, SIDE), K images for each of them.

    Returns:
        float32 (N, K) in [-1, 1].
    """
    count, each = right.shape[:2]
    left = left.astype(np.float32)
    others = right.reshape(count * each, SIDE, SIDE).astype(np.float32)
    spectra = np.conj(_spectrum(others)).reshape(count, each, _HALF, PAD)
    sum_, square = (s[:, ::-1, ::-1].reshape(count, each, *_OVERLAP.shape) for s in _overlap_sums(others))
    spread = square - sum_ * sum_ / _OVERLAP
    left_sum, left_square = _overlap_sums(left)
    left_spread = left_square - left_sum * left_sum / _OVERLAP
    best = np.full((count, each), -1, np.float32)
    for flip in range(FLIPS):
        surface = _at_shifts(_spectrum(flipped(left, flip))[:, None] * spectra)
        mean = flipped(left_sum, flip)[:, None] * sum_ / _OVERLAP
        scale = np.sqrt(np.maximum(flipped(left_spread, flip)[:, None] * spread, 0))
        # Where nothing is left to compare, nothing is alike.
        values = np.where(scale > 1e-3, (surface - mean) / np.maximum(scale, 1e-3), 0)
        np.maximum(best, _peak(values.reshape(count * each, *_OVERLAP.shape)).reshape(count, each), out=best)
    return best


def flipped(images: np.ndarray, flip: int) -> np.ndarray:
    """Images (N, h, w) left-right (flip & 1), top-bottom (flip & 2), or both."""
    images = images[:, :, ::-1] if flip & 1 else images
    return images[:, ::-1] if flip & 2 else images


def _spectrum(images: np.ndarray) -> np.ndarray:
    """complex64 (N, frequencies down >= 0, frequencies across)."""
    return np.asarray(fft.rfft2(images, s=(PAD, PAD), axes=(2, 1), workers=2))


def _at_shifts(spectrum: np.ndarray) -> np.ndarray:
    """The inverse transform (N, K, shifts down, shifts across) of (N, K, _HALF, PAD) at SHIFTS only."""
    across = (spectrum.reshape(-1, PAD) @ _TO_DX).reshape(*spectrum.shape[:2], _HALF, len(SHIFTS)).swapaxes(2, 3)
    down = across.real @ _TO_DY.real - across.imag @ _TO_DY.imag
    correlation: np.ndarray = down.swapaxes(2, 3)
    return correlation


def _overlap_sums(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sum, sum of squares) of the part of each image that lies over the other one moved by each shift."""
    sum_, square = (_INSIDE.T @ (values @ _INSIDE) for values in (images, images * images))
    return sum_, square


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
