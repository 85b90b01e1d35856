"""Metrics against independent computations, and on pictures whose quality is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import beta, binomtest
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from defectory.errors import FailedPrecondition
from services.generator.metrics import kid, neighbours
from services.generator.metrics.classes import Classes, drawn_as_among
from services.generator.metrics.evaluate import Reference, evaluate
from services.generator.metrics.features import texture
from services.generator.metrics.fid import fid
from services.generator.starter.drawing import draw


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.stack([draw(seed) for seed in range(180)])


def points(n: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, 6))


def test_the_discrepancy_is_that_of_the_polynomial_kernel() -> None:
    x, y = points(30), points(40, 0.3, 1)
    xx, yy, xy = (polynomial_kernel(a, b, degree=3, gamma=1 / 6, coef0=1) for a, b in ((x, x), (y, y), (x, y)))
    off = [k[~np.eye(len(k), dtype=bool)].mean() for k in (xx, yy)]
    assert kid.squared_discrepancy(x, y) == pytest.approx(sum(off) - 2 * xy.mean())


def test_kid_is_near_zero_for_one_distribution_and_grows_with_the_distance() -> None:
    honest = [kid.kid(points(60, seed=2 * seed), points(60, seed=2 * seed + 1)) for seed in range(40)]
    assert sum(estimate.low < 0 < estimate.high for estimate in honest) >= 35  # an interval of 95% says so
    same, near, far = (kid.kid(points(200), points(200, shift, 1)) for shift in (0, 0.5, 1.5))
    assert same.mean < near.mean < far.mean
    assert near.low < near.mean < near.high


def test_precision_recall_density_and_coverage_are_those_of_the_definitions() -> None:
    real, fake, k = points(60), points(50, 0.7, 1), neighbours.NEIGHBOURS

    def radii(x: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, k]

    across = np.linalg.norm(real[:, None] - fake[None], axis=2)
    measured = neighbours.manifolds(real, fake)
    assert measured.precision == pytest.approx(np.mean([(across[:, j] < radii(real)).any() for j in range(50)]))
    assert measured.recall == pytest.approx(np.mean([(across[i] < radii(fake)).any() for i in range(60)]))
    assert measured.density == pytest.approx((across < radii(real)[:, None]).sum() / (k * 50))
    assert measured.coverage == pytest.approx(np.mean(across.min(axis=1) < radii(real)))


def test_coverages_interval_is_the_exact_one_and_wider_where_photographs_share_parts() -> None:
    real, fake = points(60), points(50, 0.7, 1)
    measured = neighbours.manifolds(real, fake)
    exact = binomtest(round(60 * measured.coverage), 60).proportion_ci(0.95, method="exact")
    assert (measured.coverage_low, measured.coverage_high) == (pytest.approx(exact.low), pytest.approx(exact.high))
    of_parts = neighbours.manifolds(real, fake, [str(i // 3) for i in range(60)])  # 20 parts, three times each
    assert of_parts.coverage == measured.coverage
    twenty = [beta.ppf(0.025, 20 * of_parts.coverage, 21 - 20 * of_parts.coverage),
              beta.ppf(0.975, 20 * of_parts.coverage + 1, 20 * (1 - of_parts.coverage))]  # fmt: skip
    assert (of_parts.coverage_low, of_parts.coverage_high) == pytest.approx(twenty)
    nothing = neighbours.manifolds(real, points(50, 40, 1), [str(i // 3) for i in range(60)])
    assert (nothing.coverage, nothing.coverage_low) == (0, 0)
    assert nothing.coverage_high == pytest.approx(1 - 0.025 ** (1 / 20)), "no photograph of 20 parts"


def test_a_part_that_was_photographed_often_counts_for_less_than_its_photographs() -> None:
    assert neighbours.effective_count(["a", "b", "c"]) == 3
    assert neighbours.effective_count(["a"] * 7) == 1
    assert neighbours.effective_count(["a", "a", "b"]) == pytest.approx(9 / 5)


def test_pictures_of_one_kind_are_good_varied_and_no_copies(pictures: np.ndarray) -> None:
    scores = evaluate(pictures[120:], pictures[:60], pictures[60:120])
    assert scores.kid_low < 0.05
    assert scores.coverage > 0.7
    assert 0.7 < scores.diversity < 1.3
    assert scores.nearest_ratio > 0.8
    assert scores.copies == 0


def test_noise_is_far_from_pictures(pictures: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 64, 64, 3), np.uint8)
    good, bad = (evaluate(fake, pictures[:60], pictures[60:120]) for fake in (pictures[120:], noise))
    assert bad.kid_low > good.kid_high
    assert bad.coverage < 0.1


def test_copies_are_found_also_mirrored_and_slightly_changed(pictures: np.ndarray) -> None:
    train, rng = pictures[:60], np.random.default_rng(0)
    changed = (train[:20].astype(int) + rng.integers(-2, 3, train[:20].shape)).clip(0, 255).astype(np.uint8)
    fake = np.concatenate([changed, train[20:40, :, ::-1], pictures[120:160]])
    assert evaluate(fake, train, pictures[60:120]).copies == pytest.approx(0.5, abs=0.03)


def test_copies_upside_down_count_where_the_generator_saw_such_images(pictures: np.ndarray) -> None:
    train = pictures[:60]
    fake = np.concatenate([train[:20, ::-1], train[20:40, ::-1, ::-1], pictures[120:160]])
    assert evaluate(fake, train, pictures[60:120], mirror_y=True).copies == pytest.approx(0.5, abs=0.03)
    assert evaluate(fake, train, pictures[60:120]).copies < 0.1


def test_a_collapsed_generator_has_no_diversity(pictures: np.ndarray) -> None:
    fake = np.repeat(pictures[120:121], 40, axis=0)
    assert evaluate(fake, pictures[:60], pictures[60:120]).diversity < 0.01


def test_classes_are_drawn_as_often_as_they_come_among_real_images() -> None:
    real = [0] * 70 + [2] * 20 + [1] * 10
    whole = drawn_as_among(real, range(100))
    assert whole is not None
    assert np.bincount(whole).tolist() == [70, 10, 20]
    assert whole[:50].count(1) in range(1, 10)  # not one class after the other
    assert drawn_as_among(real, [242, 7]) == [whole[42], whole[7]]  # a seed has its class
    assert drawn_as_among([], range(3)) is None


def test_a_class_that_has_collapsed_does_not_hide_behind_the_others(pictures: np.ndarray) -> None:
    held_out, generated = pictures[60:120], pictures[120:].copy()
    real_classes, generated_classes = [0] * 40 + [1] * 16 + [2] * 4, [0] * 40 + [1] * 16 + [2] * 4
    reference = Reference(pictures[:60], held_out, Classes(("good", "bent", "cut"), held_out=real_classes))
    fine = reference.measure(generated, generated_classes).to_dict()
    generated[40:56] = generated[40]  # every picture of "bent"
    collapsed = reference.measure(generated, generated_classes).to_dict()
    assert min(fine["diversity"], collapsed["diversity/good"]) > 0.7
    assert collapsed["diversity"] == collapsed["diversity/bent"] < 0.01
    assert "diversity/cut" not in collapsed  # of four pictures nothing can be said
    assert reference.measure(generated).diversity > 0.7


def test_too_few_held_out_images_are_said(pictures: np.ndarray) -> None:
    with pytest.raises(FailedPrecondition, match="4 held-out images"):
        evaluate(pictures[:20], pictures[20:40], pictures[40:44])


def test_fid_is_the_distance_of_two_normal_distributions() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (10_000, 4)), rng.normal(0.5, 1, (10_000, 4)) @ rng.normal(0, 1, (4, 4))
    a, b = np.cov(x.T), np.cov(y.T)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert fid(x, y) == pytest.approx(expected)
    assert fid(x, x) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("real", "fake", "too_few"), [(60, 10_000, "60 held-out"), (10_000, 9_999, "9999 synthetic")])
def test_fid_on_few_images_is_refused_and_says_why(real: int, fake: int, too_few: str) -> None:
    with pytest.raises(FailedPrecondition, match=rf"{too_few} images.*at least 10000.*bias.*KID"):
        fid(np.zeros((real, 2)), np.zeros((fake, 2)))


def test_copies_among_held_out_images_are_counted_alike(pictures: np.ndarray) -> None:
    train, held_out = pictures[:60], np.concatenate([pictures[:10, :, ::-1], pictures[60:90]])
    assert Reference(train, held_out).held_out_memory.copies == pytest.approx(0.25)


def test_features_see_direction_and_place() -> None:
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[::4] = 255
    spot = np.zeros((64, 64, 1), np.uint8)
    spot[:8, :8] = 255
    described = texture(np.stack([stripes, stripes.swapaxes(0, 1), spot, spot[::-1]]))
    assert np.abs(described[0] - described[1]).max() > 10
    assert np.abs(described[2] - described[3]).max() > 10
