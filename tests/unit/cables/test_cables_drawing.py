"""Drawn cables: the same from a seed, faulty where the mask says, coloured as a cable is."""

import cv2
import numpy as np
import pytest

from defectory.errors import InvalidInput
from orchestrator.cables import KINDS, draw_cable
from orchestrator.cables.scene import sample_scene

FAULTY = [kind for kind in KINDS if kind != "good"]


def hue_share(image: np.ndarray, low: int, high: int) -> np.ndarray:
    """Where the hue (0 to 179) lies in a range and the colour is not grey."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    return (hsv[..., 0] >= low) & (hsv[..., 0] <= high) & (hsv[..., 1] > 90)


def middle_of(where: np.ndarray) -> tuple[float, float]:
    """(x, y) of the middle of some pixels, as shares of the side."""
    rows, columns = np.nonzero(where)
    return float(columns.mean() / where.shape[1]), float(rows.mean() / where.shape[0])


def test_kinds_are_good_and_the_eight_of_mvtec() -> None:
    assert set(KINDS) == {
        "good",
        "bent_wire",
        "cable_swap",
        "combined",
        "cut_inner_insulation",
        "cut_outer_insulation",
        "missing_cable",
        "missing_wire",
        "poke_insulation",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(kind: str) -> None:
    first, second = draw_cable(5, kind, 96), draw_cable(5, kind, 96)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.mask.tobytes() == second.mask.tobytes()


def test_another_seed_gives_another_cable() -> None:
    first, second = draw_cable(5, "good", 96).image, draw_cable(6, "good", 96).image
    assert np.abs(first.astype(int) - second).mean() > 5


@pytest.mark.parametrize("size_px", [16, 64, 100, 256])
def test_shapes_and_types(size_px: int) -> None:
    drawing = draw_cable(1, "poke_insulation", size_px)
    assert drawing.image.shape == (size_px, size_px, 3)
    assert drawing.image.dtype == np.uint8
    assert drawing.mask.shape == (size_px, size_px)
    assert set(np.unique(drawing.mask)) == {0, 255}


def test_a_good_cable_has_an_empty_mask() -> None:
    assert not draw_cable(3).mask.any()


@pytest.mark.parametrize("kind", FAULTY)
@pytest.mark.parametrize("seed", range(5))
def test_the_picture_differs_from_the_good_one_where_the_mask_says(kind: str, seed: int) -> None:
    good, wrong = draw_cable(seed, "good", 128), draw_cable(seed, kind, 128)
    change = np.abs(wrong.image.astype(int) - good.image).max(axis=2)
    inside = wrong.mask > 0
    # The fault's own shadow falls beside it, and a strand that is gone no longer keeps the light from its neighbours.
    near = cv2.dilate(wrong.mask, np.ones((21, 21), np.uint8)) > 0
    assert inside.any()
    assert change[inside].mean() > 12
    assert change[~near].mean() < change[inside].mean() / 20  # the rest of the scene, grain included, is the same


@pytest.mark.parametrize("seed", range(8))
def test_green_lies_on_top_and_blue_below_left(seed: int) -> None:
    image = draw_cable(seed, "good", 128).image
    green_x, green_y = middle_of(hue_share(image, 45, 75))
    blue_x, blue_y = middle_of(hue_share(image, 100, 125))
    assert green_y < 0.42
    assert 0.35 < green_x < 0.65
    assert blue_y > 0.5
    assert blue_x < 0.45


def test_copper_fills_three_bundles() -> None:
    copper = hue_share(draw_cable(2, "good", 192).image, 3, 20)
    count, _, stats, _ = cv2.connectedComponentsWithStats(
        cv2.morphologyEx(copper.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    )
    large = [area for area in stats[1:count, cv2.CC_STAT_AREA] if area > 500]
    assert len(large) == 3


@pytest.mark.parametrize("seed", range(6))
def test_a_swap_moves_colours_and_nothing_else(seed: int) -> None:
    good, swapped = draw_cable(seed, "good", 128).image, draw_cable(seed, "cable_swap", 128).image
    before = [middle_of(hue_share(good, *hues)) for hues in ((45, 75), (100, 125))]
    after = [middle_of(hue_share(swapped, *hues)) for hues in ((45, 75), (100, 125))]
    moved = [np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in zip(before, after, strict=True)]
    assert max(moved) > 0.2  # two of three strands change places, so green or blue moves


def test_a_missing_strand_leaves_a_dark_hole() -> None:
    drawing = draw_cable(4, "missing_cable", 128)
    inside = cv2.erode(drawing.mask, np.ones((7, 7), np.uint8)) > 0
    assert drawing.image[inside].mean() < 80
    assert inside.mean() > 0.04


def test_the_size_does_not_change_the_scene() -> None:
    large = cv2.resize(draw_cable(7, "good", 256).image, (64, 64), interpolation=cv2.INTER_AREA).astype(int)
    small = draw_cable(7, "good", 64).image.astype(int)
    other = draw_cable(8, "good", 64).image.astype(int)
    assert np.abs(large - small).mean() < np.abs(other - small).mean() / 2


def test_wires_of_a_bundle_hardly_overlap_and_stay_inside() -> None:
    for strand in sample_scene(11).strands:
        centres = strand.wires.centres
        gaps = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1))
        gaps[np.diag_indices(len(gaps))] = np.inf
        assert np.median(gaps.min(axis=1)) > 1.4 * np.median(strand.wires.radius)
        assert np.hypot(centres[:, 0], centres[:, 1]).max() < strand.inner
        assert len(centres) > 25


@pytest.mark.parametrize(("seed", "kind", "size_px"), [(-1, "good", 64), (0, "rusty", 64), (0, "good", 8)])
def test_arguments_out_of_range_are_named(seed: int, kind: str, size_px: int) -> None:
    with pytest.raises(InvalidInput):
        draw_cable(seed, kind, size_px)
