"""Copies, flipped, shifted, recompressed ones and duplicates are found among honest images, which stay."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from defectory.errors import FailedPrecondition
from services.filter.novelty import judge, limits
from services.filter.similarity import Gallery, correlate, nearest

NO_EMBEDDING = np.ones((0, 1), np.float32)


def texture(seed: int) -> np.ndarray:
    """A part: smooth shading, a few blobs, fine grain; grey 64 px."""
    random = np.random.default_rng(seed)
    coarse = cv2.resize(random.random((4, 4)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
    blobs = cv2.GaussianBlur(random.random((64, 64)).astype(np.float32), (0, 0), 3)
    blobs = (blobs - blobs.mean()) / blobs.std() * 0.1
    grain = random.normal(0, 0.03, (64, 64))
    return np.clip((0.3 + 0.4 * coarse + blobs + grain) * 255, 0, 255).astype(np.uint8)


def recompressed(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def shifted(image: np.ndarray, dx: int, dy: int) -> np.ndarray:
    return cv2.warpAffine(image, np.float32([[1, 0, dx], [0, 1, dy]]), (64, 64), borderMode=cv2.BORDER_REFLECT)


COPIES = {
    "copy": lambda i: i,
    "flipped": lambda i: i[:, ::-1],
    "upside down": lambda i: i[::-1],
    "shifted": lambda i: shifted(i, 3, -2),
    "recompressed": recompressed,
    "brighter": lambda i: np.clip(i.astype(float) * 1.15 + 8, 0, 255).astype(np.uint8),
}


def test_planted_copies_are_found_and_honest_images_stay() -> None:
    real = [texture(i) for i in range(60)]
    test = Gallery([texture(1000 + i) for i in range(20)])
    honest = [texture(10_000 + i) for i in range(600)]
    planted = [np.ascontiguousarray(change(real[i])) for change in COPIES.values() for i in range(0, 60, 3)]
    repeated = [np.ascontiguousarray(change(honest[i])) for change in COPIES.values() for i in range(0, 200, 10)]
    train = Gallery(real)
    flat = np.ones((60, 4), np.float32)
    bounds = limits(train, [str(i) for i in range(60)], test, flat)
    everything = [*honest, *planted, *repeated]
    found = judge(Gallery(everything), np.ones((len(everything), 4)), train, flat, test, Gallery([]), bounds)
    wrong = sum(bool(f.reasons) for f in found[:600])
    copies = sum("near_copy" in f.reasons for f in found[600 : 600 + len(planted)])
    duplicates = sum("near_duplicate" in f.reasons for f in found[600 + len(planted) :])
    assert wrong <= 6
    assert copies >= 0.99 * len(planted)
    assert duplicates >= 0.99 * len(repeated)


def test_what_was_accepted_before_is_not_accepted_again() -> None:
    train, empty = Gallery([texture(i) for i in range(10)]), Gallery([])
    bounds = limits(train, [str(i) for i in range(10)], empty, NO_EMBEDDING)
    made, before = Gallery([texture(50), texture(51)]), Gallery([texture(51)])
    found = judge(made, np.ones((2, 1)), train, np.ones((10, 1)), empty, before, bounds)
    assert [f.reasons for f in found] == [(), ("near_duplicate",)]


def test_a_copy_of_a_test_image_stops_everything() -> None:
    train, test = Gallery([texture(i) for i in range(10)]), Gallery([texture(i) for i in range(100, 105)])
    bounds = limits(train, [str(i) for i in range(10)], test, NO_EMBEDDING)
    made = Gallery([texture(200), recompressed(texture(102))])
    with pytest.raises(FailedPrecondition, match="test images"):
        judge(made, np.ones((2, 1)), train, np.ones((10, 1)), test, Gallery([]), bounds)


def test_outliers_lie_farther_than_real_images_from_each_other() -> None:
    random = np.random.default_rng(0)
    embeddings = np.array([1.0, 0, 0]) + random.normal(0, 0.05, (50, 3))
    train, empty = Gallery([texture(i) for i in range(50)]), Gallery([])
    bounds = limits(train, [str(i) for i in range(50)], empty, embeddings)
    made = Gallery([texture(100), texture(101)])
    found = judge(made, np.array([[1, 0, 0], [0, 1, 0.0]]), train, embeddings, empty, empty, bounds)
    assert [f.reasons for f in found] == [(), ("outlier",)]


def test_correlation_is_pearsons_where_the_images_overlap() -> None:
    a, b = Gallery([texture(1)]).pixels, Gallery([texture(2)]).pixels
    rolled = np.roll(a, (3, -5), axis=(1, 2))
    assert correlate(a, a)[0] == pytest.approx(1, abs=1e-5)
    assert correlate(a, rolled)[0] == pytest.approx(1, abs=1e-5)
    assert -1 <= correlate(a, b)[0] < 0.9
    best = max(
        np.corrcoef(
            a[0, max(0, y) : 64 + min(0, y), max(0, x) : 64 + min(0, x)].ravel(),
            b[0, max(0, -y) : 64 + min(0, -y), max(0, -x) : 64 + min(0, -x)].ravel(),
        )[0, 1]
        for y in range(-8, 9)
        for x in range(-8, 9)
    )
    assert correlate(a, b)[0] <= best + 1e-5


def test_nearest_of_nothing() -> None:
    index, similarity = nearest(Gallery([texture(1)]), Gallery([]))
    assert (index[0], similarity[0]) == (-1, -1)
    assert len(nearest(Gallery([]), Gallery([texture(1)]))[0]) == 0
