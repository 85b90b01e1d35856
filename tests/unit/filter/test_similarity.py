"""Registration against brute force; sketches and candidates against all pairs."""

import numpy as np
import pytest

from services.filter.registration import SHIFTS, correlate
from services.filter.similarity import nearest
from services.filter.structure import SIDE, Gallery, Whitening, structures


def flipped(images: np.ndarray, flip: int) -> np.ndarray:
    """Images (N, h, w) left-right (flip & 1), top-bottom (flip & 2), or both."""
    images = images[:, :, ::-1] if flip & 1 else images
    return images[:, ::-1] if flip & 2 else images


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, SIDE, SIDE)).astype(np.float32)


def by_hand(left: np.ndarray, right: np.ndarray) -> float:
    """Pearson's correlation where the two overlap, the best over flips and whole shifts."""
    best = -1.0
    for flip in range(4):
        turned = flipped(left[None], flip)[0]
        for dy in SHIFTS:
            for dx in SHIFTS:
                a = turned[max(0, dy) : SIDE + min(0, dy), max(0, dx) : SIDE + min(0, dx)]
                b = right[max(0, -dy) : SIDE + min(0, -dy), max(0, -dx) : SIDE + min(0, -dx)]
                best = max(best, float(np.corrcoef(a.ravel(), b.ravel())[0, 1]))
    return best


def test_correlation_is_pearsons_where_the_images_overlap() -> None:
    left = images(3, 0)
    moved = np.roll(left, (3, -5), axis=(1, 2)) + 0.5 * images(3, 1)
    right = np.stack([moved[:, ::-1], images(3, 2)], axis=1)
    expected = [[by_hand(a, b) for b in pair] for a, pair in zip(left, right, strict=True)]
    # The parabola between the pixels may add a little, never take away.
    np.testing.assert_allclose(correlate(left, right), expected, atol=0.02)
    assert (correlate(left, right) >= np.array(expected) - 1e-4).all()


def test_flat_images_are_like_nothing() -> None:
    flat = np.zeros((1, SIDE, SIDE), np.float32)
    assert correlate(flat, flat[:, None])[0, 0] == 0


def test_shifts_between_pixels_hardly_matter() -> None:
    frequencies = np.fft.fftfreq(SIDE)
    smooth = np.exp(-((frequencies[:, None] ** 2 + frequencies**2) / 0.02))
    half = np.exp(-1j * np.pi * (frequencies[:, None] + frequencies))  # half a pixel down and across
    spectrum = np.fft.fft2(images(4, 3)) * smooth
    left, right = (np.fft.ifft2(s).real.astype(np.float32) for s in (spectrum, spectrum * half))
    assert correlate(left, right[:, None]).min() > 0.97


def test_nearest_finds_what_all_pairs_find() -> None:
    random = np.random.default_rng(5)
    raw = images(40, 6).astype(np.float16)
    queries = raw[random.permutation(40)[:12]][:, :, ::-1]
    whitening = Whitening(raw)
    neighbours, similarity = nearest(whitening.gallery(queries), whitening.gallery(raw))
    every = correlate(
        whitening.gallery(queries).whitened, np.repeat(whitening.gallery(raw).whitened[None], len(queries), axis=0)
    )
    assert (neighbours == every.argmax(axis=1)).all()
    np.testing.assert_allclose(similarity, every.max(axis=1), atol=1e-5)


def test_what_is_forbidden_is_not_found() -> None:
    raw = images(30, 7).astype(np.float16)
    gallery = Whitening(raw).gallery(raw)
    rows = np.arange(30)
    neighbours, similarity = nearest(gallery, gallery, forbidden=np.stack([rows, rows + 1], axis=1))
    assert (neighbours != rows).all()
    assert similarity.max() < 0.5
    nothing, none = nearest(gallery, gallery, forbidden=np.tile([0, 30], (30, 1)))
    assert (nothing == -1).all()
    assert (none == -1).all()


@pytest.mark.parametrize(("queries", "gallery"), [(1, 0), (0, 1)])
def test_nearest_of_nothing(queries: int, gallery: int) -> None:
    whitening = Whitening(images(2, 8))
    neighbours, similarity = nearest(whitening.gallery(images(queries, 9)), whitening.gallery(images(gallery, 10)))
    assert neighbours.tolist() == [-1] * queries
    assert similarity.tolist() == [-1] * queries


def test_the_structure_does_not_know_the_exposure() -> None:
    grey = np.clip(np.random.default_rng(11).normal(90, 15, (90, 120)), 5, 120).astype(np.uint8)
    dark, bright = structures([grey, grey * 2]).astype(np.float32)
    assert np.corrcoef(dark.ravel(), bright.ravel())[0, 1] > 0.99
    assert isinstance(Whitening(structures([grey])).gallery(structures([])), Gallery)
