"""How alike two images are in their pixels, whatever the flip, a small shift, exposure and compression.

Candidates come from small thumbnails (one matrix product for each flip); each candidate pair is then registered at full
size by phase-free cross-correlation and compared by normalised correlation where the two overlap.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from scipy import fft, ndimage

SIZE = 64  # px, at which pairs are compared
THUMB = 16  # px, at which candidates are found
MAX_SHIFT = SIZE // 8  # px at SIZE
FLIPS = 4  # none, left-right, top-bottom, both
CANDIDATES = 4  # of each flip
BLOCK = 2048  # rows of a matrix product, which bounds the memory
PAIRS = 1024  # pairs registered at once


class Gallery:
    """Images prepared for comparison: float32 (N, SIZE, SIZE), and their thumbnails as unit vectors."""

    def __init__(self, images: list[np.ndarray]) -> None:
        self.pixels = np.stack([_prepare(i) for i in images]) if images else np.zeros((0, SIZE, SIZE), np.float32)
        self.thumbs = np.stack([_thumb(p) for p in self.pixels]) if images else np.zeros((0, THUMB**2), np.float32)

    def __len__(self) -> int:
        return len(self.pixels)

    def joined(self, other: "Gallery") -> "Gallery":
        """Both galleries' images, this one's first."""
        both = Gallery([])
        both.pixels = np.concatenate([self.pixels, other.pixels])
        both.thumbs = np.concatenate([self.thumbs, other.thumbs])
        return both


def nearest(
    queries: Gallery, gallery: Gallery, *, forbidden: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The most similar image of the gallery for every query.

    Args:
        forbidden: int (queries, 2), the half-open range of gallery rows that each query may not be compared with.

    Returns:
        (indices int (N,), -1 where there is none; similarities float32 (N,) in [-1, 1], -1 where there is none).
    """
    best = np.full(len(queries), -1)
    similarity = np.full(len(queries), -1.0, np.float32)
    pairs = list(_candidates(queries, gallery, forbidden))
    if not pairs:
        return best, similarity
    query, row, flip = (np.concatenate(column) for column in zip(*pairs, strict=True))
    for start in range(0, len(query), PAIRS):
        part = slice(start, start + PAIRS)
        values = correlate(_flipped_each(queries.pixels[query[part]], flip[part]), gallery.pixels[row[part]])
        for q, r, value in zip(query[part], row[part], values, strict=True):
            if value > similarity[q]:
                best[q], similarity[q] = r, value
    return best, similarity


def correlate(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Normalised correlation of pairs (N, SIZE, SIZE) in [-1, 1], at the best shift of at most MAX_SHIFT pixels."""
    span = np.r_[0 : MAX_SHIFT + 1, -MAX_SHIFT:0]
    # Shading pulls the peak of the plain correlation aside where the shift wraps around; fine structure has the true
    # peak, unless there is none. Both are tried.
    shifts = [_peak(left, right, span), _peak(_fine(left), _fine(right), span)]
    values = np.empty(len(left), np.float32)
    for i in range(len(left)):
        values[i] = max(_overlap(left[i], right[i], int(dy[i]), int(dx[i])) for dy, dx in shifts)
    return values


def _peak(left: np.ndarray, right: np.ndarray, span: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(dy, dx), int (N,), at which the circular correlation of each pair is highest."""
    surface = fft.irfft2(fft.rfft2(left) * np.conj(fft.rfft2(right)), s=(SIZE, SIZE))
    peaks = surface[:, span][:, :, span].reshape(len(left), -1).argmax(axis=1)
    return span[peaks // len(span)], span[peaks % len(span)]


def _fine(images: np.ndarray) -> np.ndarray:
    return images - ndimage.gaussian_filter(images, (0, 2.5, 2.5))


def _overlap(left: np.ndarray, right: np.ndarray, dy: int, dx: int) -> float:
    """Pearson's correlation where the two overlap once right is moved by (dy, dx)."""
    a = left[max(0, dy) : SIZE + min(0, dy), max(0, dx) : SIZE + min(0, dx)]
    b = right[max(0, -dy) : SIZE + min(0, -dy), max(0, -dx) : SIZE + min(0, -dx)]
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-6 else 0.0


def _candidates(
    queries: Gallery, gallery: Gallery, forbidden: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    if not len(queries) or not len(gallery):
        return
    kept = min(CANDIDATES, len(gallery))
    columns = np.arange(len(gallery))
    for flip in range(FLIPS):
        flipped = _flip(queries.thumbs.reshape(-1, THUMB, THUMB), flip).reshape(-1, THUMB**2)
        for start in range(0, len(queries), BLOCK):
            scores = flipped[start : start + BLOCK] @ gallery.thumbs.T
            if forbidden is not None:
                low, high = forbidden[start : start + BLOCK].T[..., None]
                scores[(columns >= low) & (columns < high)] = -np.inf
            rows = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
            query = np.repeat(np.arange(start, start + len(scores)), kept)
            allowed = np.isfinite(np.take_along_axis(scores, rows, axis=1).ravel())
            yield query[allowed], rows.ravel()[allowed], np.full(int(allowed.sum()), flip)


def _prepare(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    small = cv2.resize(grey.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), 0.7)  # compression's noise is no difference
    return np.asarray((smooth - smooth.mean()) / (smooth.std() + 1.0), np.float32)


def _thumb(pixels: np.ndarray) -> np.ndarray:
    small = cv2.resize(cv2.GaussianBlur(pixels, (0, 0), 2.0), (THUMB, THUMB), interpolation=cv2.INTER_AREA).ravel()
    small = small - small.mean()
    return np.asarray(small / (np.linalg.norm(small) + 1e-6), np.float32)


def _flip(images: np.ndarray, flip: int) -> np.ndarray:
    images = images[:, :, ::-1] if flip & 1 else images
    return np.ascontiguousarray(images[:, ::-1] if flip & 2 else images)


def _flipped_each(images: np.ndarray, flips: np.ndarray) -> np.ndarray:
    result = images.copy()
    for flip in range(1, FLIPS):
        chosen = flips == flip
        result[chosen] = _flip(images[chosen], flip)
    return result
