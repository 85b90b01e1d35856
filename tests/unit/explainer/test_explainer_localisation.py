"""Heat against masks whose score is known; background of images whose part is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from orchestrator.cables import draw_cable
from services.explainer.background import background, heat_on_background
from services.explainer.localisation import THRESHOLDS, localise, max_box_acc_v2
from services.explainer.scoring import counted, moved


def square(left: int, top: int, side: int, size: int = 100) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_heat_on_the_defect() -> None:
    mask = square(20, 30, 20)
    localised = localise(mask.astype(np.float32), mask)
    assert (localised.hit, localised.inside, localised.area, localised.beside) == (True, 1.0, 0.04, False)
    assert (localised.overlaps == 1).all()
    # 3 px more on each side, no corners
    assert localised.chance == pytest.approx((20 * 26 * 2 - 20 * 20) / 1e4, abs=3e-3)


def test_heat_beside_the_defect() -> None:
    localised = localise(square(60, 60, 20).astype(np.float32), square(20, 30, 20))
    assert (localised.hit, localised.inside, localised.beside) == (False, 0, True)
    assert (localised.overlaps == 0).all()


def test_the_hottest_pixel_may_miss_by_the_tolerance_only() -> None:
    mask = square(20, 20, 20)
    for distance, hit in ((3, True), (4, False)):
        heat = np.full((100, 100), 0.1, np.float32)
        heat[30, 39 + distance] = 1
        assert localise(heat, mask).hit is hit


def test_overlaps_are_of_the_best_of_all_boxes_at_each_threshold() -> None:
    mask = square(10, 10, 20)
    heat = 0.5 * square(10, 10, 20) + 1.0 * square(60, 60, 10) + 0.2 * square(10, 10, 40) * ~mask * ~square(60, 60, 10)
    localised = localise(heat.astype(np.float32), mask)
    for share, expected in ((0.1, 20 * 20 / (40 * 40)), (0.3, 1), (0.6, 0)):
        at = int(np.argmin(abs(THRESHOLDS - share)))
        assert localised.overlaps[at] == pytest.approx(expected), share


def test_even_heat_is_not_beside_the_defect() -> None:
    assert not localise(np.full((100, 100), 0.3, np.float32), square(20, 30, 17)).beside


def test_no_heat_finds_nothing() -> None:
    localised = localise(np.zeros((10, 10), np.float32), square(2, 2, 3, 10))
    assert localised.empty
    assert (localised.hit, localised.inside) == (False, 0)
    assert max_box_acc_v2([localised]) == {"mean": 0, "0.3": 0, "0.5": 0, "0.7": 0}


def test_max_box_acc_v2_takes_one_threshold_for_all_images() -> None:
    """Each heatmap meets its mask at another threshold: at any single one only half of the images are found."""
    mask = square(10, 10, 20)
    first = mask * 1.0 + 0.3 * ~mask  # right above 0.3
    second = 0.5 * mask + 1.0 * square(14, 14, 4)  # right below 0.5
    localised = [localise(heat.astype(np.float32), mask) for heat in (first, np.minimum(second, 1))]
    at = [set(np.flatnonzero(x.overlaps >= 0.7)) for x in localised]
    expected = 1.0 if at[0] & at[1] else 0.5
    assert max_box_acc_v2(localised)["0.7"] == expected
    assert max_box_acc_v2(localised[:1])["mean"] == 1


def test_moved_is_the_mean_difference_with_parts_drawn_anew() -> None:
    mask = square(10, 10, 20)
    on, off = (localise(square(x, 10, 20).astype(np.float32), mask) for x in (10, 60))
    groups = {f"{i}": f"part {i // 2}" for i in range(10)}
    first, second = dict.fromkeys(groups, off), {**dict.fromkeys(groups, on), "0": off}
    difference = moved(first, second, groups)
    assert difference is not None
    assert (difference["images"], difference["parts"], difference["inside"]) == (10, 5, pytest.approx(0.9))
    assert 0 < difference["low"] < 0.9 < difference["high"] <= 1
    assert moved({}, second, groups) is None


def test_the_background_of_a_cable_is_told_from_it() -> None:
    drawing = draw_cable(7, "cut_inner_insulation", 128)
    outside = background(drawing.image)
    assert outside is not None
    assert outside[:3].mean() > 0.9
    assert not outside[50:78, 50:78].any()
    on_part, beside = np.zeros((128, 128), np.float32), np.zeros((128, 128), np.float32)
    on_part[50:78, 50:78] = beside[:6] = 1
    assert heat_on_background(drawing.image, on_part) == 0
    assert heat_on_background(drawing.image, beside) > 0.9


def test_where_nothing_parts_them_no_background_is_told() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    flat = np.full((64, 64, 3), 90, np.uint8)
    for image in (noise, flat):
        assert heat_on_background(image, np.ones((64, 64), np.float32)) is None
    assert heat_on_background(noise, np.zeros((64, 64), np.float32)) is None


def grain(level: np.ndarray, deviation: float) -> np.ndarray:
    """Grey levels (h, w) with noise over them, as a picture."""
    noise = np.random.default_rng(1).normal(0, deviation, level.shape)
    return np.repeat((level + noise).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_a_surface_that_fills_the_picture_is_no_background_however_the_light_falls_on_it() -> None:
    y, x = np.mgrid[:128, :128] / 127
    from_the_left = 90 + 110 * x
    vignette = 190 - 150 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    for light in (from_the_left, vignette):
        picture = grain(light, 4)
        assert background(picture) is None
        assert heat_on_background(picture, np.eye(128, dtype=np.float32)) is None


@pytest.mark.parametrize("blur_px", [0, 2])
def test_a_part_is_told_from_a_background_with_a_grain_of_its_own(blur_px: int) -> None:
    disc = np.hypot(*(np.mgrid[:128, :128] - 63.5)) < 40
    level = cv2.GaussianBlur(np.where(disc, 160.0, 70.0), (0, 0), blur_px) if blur_px else np.where(disc, 160.0, 70.0)
    outside = background(grain(level, 4))
    assert outside is not None
    assert (outside & ~disc).sum() / (outside | ~disc).sum() > 0.9


def test_tiles_that_fill_their_photographs_have_no_background_but_dark_frames(shared: Path) -> None:
    """Measured on all 1,344 photographs: 45 at their own size, all but a few a frame around the tile; before 391."""
    folder = shared / "data/magnetic_tile"
    photographs = [path for path in sorted(folder.glob("t*/*/*")) if path.suffix in (".jpg", ".png")][::8]
    shares = [mask.mean() for path in photographs if (mask := background(cv2.imread(str(path)))) is not None]
    assert len(photographs) > 150
    assert len(shares) / len(photographs) < 0.06
    assert max(shares, default=0) < 0.5


def test_heat_that_says_nothing_is_not_counted_but_heat_beside_the_defect_is() -> None:
    mask = square(20, 30, 20)
    scores = {
        "none": localise(np.zeros(mask.shape, np.float32), mask),
        "beside": localise(square(70, 70, 20).astype(np.float32), mask),
    }
    assert list(counted(scores, (3, 3))) == ["beside"]
    assert counted(scores, (2, 4)) == {}
