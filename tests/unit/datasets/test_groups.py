"""Groups found in blocks and chain by chain, against average linkage of all pairs at once; and their memory."""

import tracemalloc

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from defectory.datasets import groups
from defectory.datasets.groups import MAX_SHIFT, correlate, find_groups, without_common

SIDE = 24


def photographs(parts: int, seed: int) -> np.ndarray:
    """Descriptions of parts, of which every third is there thrice, moved and noisy, somewhere else in the order."""
    random = np.random.default_rng(seed)
    shown = random.normal(size=(parts, SIDE, SIDE))
    again = [
        np.roll(part, random.integers(-3, 4, 2), (0, 1)) + random.normal(scale=0.8, size=part.shape)
        for part in np.repeat(shown[::3], 2, axis=0)
    ]
    every = np.concatenate([shown, again]).astype(np.float32)
    return every[random.permutation(len(every))]


def by_hand(left: np.ndarray, right: np.ndarray) -> float:
    """Pearson's correlation where the two overlap, the best over shifts."""
    shifts = range(-MAX_SHIFT, MAX_SHIFT + 1)
    best = -1.0
    for dy in shifts:
        for dx in shifts:
            one = left[max(0, dy) : SIDE + min(0, dy), max(0, dx) : SIDE + min(0, dx)]
            other = right[max(0, -dy) : SIDE + min(0, -dy), max(0, -dx) : SIDE + min(0, -dx)]
            best = max(best, float(np.corrcoef(one.ravel(), other.ravel())[0, 1]))
    return best


def test_correlation_in_blocks_is_pearsons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "BLOCK", 5)
    images = photographs(8, 0)
    expected = [[by_hand(one, other) for other in images] for one in images]
    np.testing.assert_allclose(correlate(images), expected, atol=1e-4)


@pytest.mark.parametrize("count", [90, 300])
def test_what_is_common_is_what_a_singular_value_decomposition_says(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(groups, "COMMON", 2)
    monkeypatch.setattr(groups, "BLOCK", 70)
    random = np.random.default_rng(4)
    common = random.normal(size=(count, 2)) * (9, 5) @ random.normal(size=(2, 144)) + 3
    images = (common + random.normal(size=(count, 144))).astype(np.float32)
    rows = images - images.mean(axis=0, dtype=float)
    left, values, right = np.linalg.svd(rows, full_matrices=False)
    expected = rows - left[:, :2] * values[:2] @ right[:2]
    np.testing.assert_allclose(without_common(images.reshape(count, 12, 12)).reshape(count, -1), expected, atol=2e-3)


@pytest.mark.parametrize("block", [16, 4096])
def test_chains_are_linked_as_all_images_together_are(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(groups, "BLOCK", block)
    monkeypatch.setattr(groups, "CACHED", 7)
    images = photographs(60, 1)
    correlation = correlate(without_common(images))
    pairs = correlation[np.triu_indices(len(images), 1)]
    spread = 1.4826 * np.median(np.abs(pairs - np.median(pairs)))
    bar = max(groups.FLOOR, np.median(pairs) + groups.SPREADS * spread)
    distance = 1 - correlation
    np.fill_diagonal(distance, 0)
    expected = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - bar, "distance")
    assert 55 <= len(np.unique(expected)) <= 65, "about a group a part: else nothing is compared"
    together = find_groups(images)
    assert ((together[:, None] == together) == (expected[:, None] == expected)).all()


def test_a_part_is_found_also_where_the_bulk_is_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    images = photographs(120, 2)
    whole = find_groups(images)
    monkeypatch.setattr(groups, "BLOCK", 50)
    monkeypatch.setattr(groups, "FEW", 100)
    monkeypatch.setattr(groups, "SAMPLE", 60)
    assert (find_groups(images) == whole).all()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "BLOCK", 256)
    monkeypatch.setattr(groups, "FEW", 256)
    monkeypatch.setattr(groups, "SAMPLE", 256)
    monkeypatch.setattr(groups, "FLOOR", 0.99)  # so small images are alike by chance
    images = np.random.default_rng(3).normal(size=(2000, 10, 10)).astype(np.float32)
    find_groups(images[:300])  # what is imported is no memory of the pairs
    tracemalloc.start()
    find_groups(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2000 * 2000 * 4, "a correlation of every pair"
