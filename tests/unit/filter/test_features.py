"""Feature distances against NumPy on everything at once."""

import numpy as np
import pytest

from services.filter import features
from services.filter.features import any_within, earlier_twins, nearest_distance, unit_rows


def rows(count: int, seed: int, channels: int = 80) -> np.ndarray:
    """Like a network's features: few directions that matter, and noise."""
    random = np.random.default_rng(seed)
    basis = np.random.default_rng(0).normal(size=(12, channels))
    return unit_rows(np.maximum(random.normal(size=(count, 12)) @ basis + random.normal(size=(count, channels)), 0))


def test_nearest_over_several_blocks(monkeypatch) -> None:
    monkeypatch.setattr(features, "ROWS", 32)
    monkeypatch.setattr(features, "COLUMNS", 48)
    queries, gallery = rows(100, 1), rows(130, 2)
    groups, query_groups = np.arange(130) % 7, np.arange(100) % 7
    distances = 1 - queries.astype(float) @ gallery.T.astype(float)
    neighbours, distance = nearest_distance(queries, gallery)
    assert (neighbours == distances.argmin(axis=1)).all()
    np.testing.assert_allclose(distance, distances.min(axis=1), atol=1e-6)
    distances[query_groups[:, None] == groups] = np.inf
    neighbours, distance = nearest_distance(queries, gallery, query_groups=query_groups, groups=groups)
    assert (neighbours == distances.argmin(axis=1)).all()


def test_nobody_is_near_an_empty_gallery() -> None:
    neighbours, distance = nearest_distance(rows(3, 1), np.zeros((0, 80), np.float32))
    assert neighbours.tolist() == [-1, -1, -1]
    assert np.isinf(distance).all()


@pytest.mark.parametrize("few", [0, 500])
def test_no_twin_is_missed_and_none_is_invented(monkeypatch, few: int) -> None:
    monkeypatch.setattr(features, "FEW", few)
    monkeypatch.setattr(features, "ROWS", 64)
    monkeypatch.setattr(features, "COLUMNS", 128)
    monkeypatch.setattr(features, "LEADING", 7)
    random = np.random.default_rng(3)
    vectors = rows(500, 4)
    later = random.choice(np.arange(250, 500), 60, replace=False)
    vectors[later] = unit_rows(
        vectors[random.integers(0, 250, 60)] + random.normal(0, 0.003, (60, 80)).astype(np.float32)
    )
    for radius in (0.002, 0.1, 0.3, 2.0):
        close = np.tril(vectors.astype(float) @ vectors.T.astype(float) >= 1 - radius, -1)
        expected = np.where(close.any(axis=1), close.argmax(axis=1), -1)
        assert (earlier_twins(vectors, radius) == expected).all(), radius
    assert (earlier_twins(vectors, 0.0) == -1).all()


@pytest.mark.parametrize("few", [0, 500])
def test_whether_any_lies_within_is_what_all_pairs_say(monkeypatch, few: int) -> None:
    monkeypatch.setattr(features, "FEW", few)
    monkeypatch.setattr(features, "ROWS", 32)
    monkeypatch.setattr(features, "COLUMNS", 48)
    monkeypatch.setattr(features, "LEADING", 7)
    monkeypatch.setattr(features, "PAIRS", 5)
    queries, gallery = rows(100, 5), rows(130, 6)
    queries[::9] = unit_rows(gallery[: len(queries[::9])] + np.float32(0.01))
    distances = 1 - queries.astype(float) @ gallery.T.astype(float)
    for radius in (0.002, 0.1, 0.3, 2.0):
        assert (any_within(queries, gallery, radius) == (distances.min(axis=1) < radius)).all(), radius
    assert not any_within(queries, gallery, 0.0).any()
    assert not any_within(queries, gallery[:0], 2.0).any()
