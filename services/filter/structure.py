"""What of an image is compared: its fine local structure, which stays the same whatever the exposure.

The structure (`defectory.imaging.structure`) is whitened by the mean power spectrum of the training images. Outlines,
grinding lines and everything else that all parts share weighs less from then on, and two parts hardly correlate,
however alike they look.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from scipy import fft

from defectory.imaging.structure import FineStructure

FINE = FineStructure(near_px=1.0, far_px=5.0, border_px=4)
SIDE = FINE.side_px
SKETCH = 16  # frequencies of a sketch, in each direction
DAMPING = 5.0  # of the whitening, in multiples of the mean power: only what stands out is damped, noise not blown up
BLOCK = 2048


def structure(image: np.ndarray) -> np.ndarray:
    """Fine structure of an image (uint8, (height, width) or (height, width, 3)): float16 (SIDE, SIDE)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    return FINE.describe(grey).astype(np.float16)


def structures(images: Iterable[np.ndarray]) -> np.ndarray:
    """Structures of images: float16 (N, SIDE, SIDE)."""
    return np.fromiter((structure(image) for image in images), np.dtype((np.float16, (SIDE, SIDE))))


class Gallery:
    """Images prepared for comparison.

    Attributes:
        whitened: float16 (N, SIDE, SIDE).
        sketches: float32 (N, SKETCH^2), unit vectors that flips and shifts change little.
    """

    def __init__(self, whitened: np.ndarray, sketches: np.ndarray) -> None:
        self.whitened = whitened
        self.sketches = sketches

    def __len__(self) -> int:
        return len(self.whitened)

    def __getitem__(self, rows: np.ndarray) -> "Gallery":
        return Gallery(self.whitened[rows], self.sketches[rows])

    def joined(self, other: "Gallery") -> "Gallery":
        """Both galleries' images, this one's first."""
        if not len(self):
            return other
        return Gallery(np.concatenate([self.whitened, other.whitened]), np.concatenate([self.sketches, other.sketches]))


class Whitening:
    """What the training images have in common, and how it is taken out."""

    def __init__(self, training: np.ndarray) -> None:
        """Learn it from the structures of the training images."""
        power = np.zeros((SIDE, SIDE // 2 + 1), np.float64)
        common = np.zeros(SKETCH**2, np.float64)
        for part in _blocks(training):
            power += (np.abs(fft.rfft2(part)) ** 2).sum(axis=0)
            common += _magnitudes(part).sum(axis=0)
        count = max(1, len(training))
        mean = power.mean() / count
        self._gain = np.asarray(1 / np.sqrt(power / count + DAMPING * mean + 1e-6), np.float32)
        self._common = np.asarray(common / count, np.float32)

    def gallery(self, raw: np.ndarray) -> Gallery:
        """The gallery of images with these structures."""
        whitened = np.empty((len(raw), SIDE, SIDE), np.float16)
        sketches = np.empty((len(raw), SKETCH**2), np.float32)
        for start, part in zip(range(0, len(raw), BLOCK), _blocks(raw), strict=True):
            rows = slice(start, start + len(part))
            whitened[rows] = fft.irfft2(fft.rfft2(part) * self._gain, s=(SIDE, SIDE))
            sketch = _magnitudes(part) - self._common
            sketches[rows] = sketch / (np.linalg.norm(sketch, axis=1, keepdims=True) + 1e-6)
        return Gallery(whitened, sketches)


def _magnitudes(raw: np.ndarray) -> np.ndarray:
    """Low frequencies' magnitudes, which shifts leave alone, averaged over the sign that flips change."""
    window = np.hanning(SIDE).astype(np.float32)
    spectrum = np.abs(fft.rfft2(raw * np.outer(window, window), workers=2))
    negative = (-np.arange(SKETCH)) % SIDE
    magnitudes: np.ndarray = np.sqrt((spectrum[:, :SKETCH, :SKETCH] + spectrum[:, negative, :SKETCH]) / 2)
    return magnitudes.reshape(len(raw), -1)


def _blocks(raw: np.ndarray) -> Iterable[np.ndarray]:
    for start in range(0, len(raw), BLOCK):
        yield raw[start : start + BLOCK].astype(np.float32)
