"""Heat comes back to the place in the picture from which ingest's fitting took it."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from defectory.imaging import to_square
from defectory.lettering import Lettering
from services.explainer.boxes import Box, BoxRule, find_boxes
from services.explainer.overlay import (
    LEGEND_PX,
    LETTERS_PX,
    LINE_PX,
    OPACITY,
    ROWS,
    coloured,
    onto_picture,
    overlay,
    overlay_png,
    without_heat,
)
from services.explainer.unclear import boxes_or_why_none, why_unclear


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(240, 90), (100, 260), (121, 80), (90, 90)])
def test_a_mark_is_found_where_it_was(fit: str, size: tuple[int, int]) -> None:
    width, height = size
    x, y = width * 2 // 5, height * 3 // 5  # within the central square
    picture = np.zeros((height, width), np.uint8)
    picture[y - 4 : y + 5, x - 4 : x + 5] = 255
    heat = np.asarray(to_square(Image.fromarray(picture), 128, fit), np.float32) / 255
    heatmap = onto_picture(heat, width, height, fit)
    assert heatmap.shape == (height, width)
    assert 0 <= heatmap.min() <= heatmap.max() <= 1
    rows, columns = np.nonzero(heatmap > 0.5)
    assert (columns.mean(), rows.mean()) == pytest.approx((x, y), abs=1)


def test_what_a_crop_cut_off_has_no_heat() -> None:
    heatmap = onto_picture(np.ones((7, 7)), 100, 40, "crop")
    assert heatmap[:, 30:70].min() == 1
    assert heatmap.sum() == 40 * 40


def test_rows_blended_in_blocks_are_blended_as_one() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (2 * ROWS + 171, 300, 3)).astype(np.uint8)
    heatmap = random.random(image.shape[:2]).astype(np.float32)
    weight = (OPACITY * (heatmap >= 0.3))[..., None]
    whole = np.round(image * (1 - weight) + coloured(heatmap) * weight).astype(np.uint8)
    np.testing.assert_array_equal(overlay(image, heatmap, [], 0.3), whole)


@pytest.mark.parametrize("rule", [BoxRule(), BoxRule("percentile", 0.8), BoxRule("otsu")])
def test_what_is_coloured_is_what_the_boxes_surround(rule: BoxRule) -> None:
    image = np.full((300, 400, 3), 128, np.uint8)
    cells = np.zeros((9, 9))
    cells[[1, 4, 7], [1, 6, 2]] = 1, 0.6, 0.5
    heatmap = onto_picture(cells, 400, 300, "stretch")
    seen = (overlay(image, heatmap, [], rule.threshold(heatmap)) != image).any(axis=2)
    parts, _ = ndimage.label(seen, structure=np.ones((3, 3)))
    surrounded = {(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in ndimage.find_objects(parts)}
    assert surrounded == {(b.x, b.y, b.x + b.width, b.y + b.height) for b in find_boxes(heatmap, rule)}
    assert len(surrounded) == 3


def test_the_legends_colours_begin_where_the_pictures_do() -> None:
    heatmap = np.tile(np.linspace(0, 1, 400, dtype=np.float32), (300, 1))
    sheet = np.asarray(Image.open(io.BytesIO(overlay_png(np.zeros((300, 400, 3), np.uint8), heatmap, [], 0.4, "part"))))
    saturated = np.ptp(sheet[300 + 2 * LINE_PX + 9].astype(int), axis=1) > 60
    bar = np.flatnonzero(saturated)
    left, right = sheet[300 + 2 * LINE_PX + 9, [bar[0], bar[-1]]].astype(int)
    first, last = coloured(np.array([[0.4, 1]], np.float32))[0].astype(int)
    assert np.abs(left - first).max() < 8
    assert np.abs(right - last).max() < 8


def test_the_legend_of_a_narrow_picture_is_whole() -> None:
    narrow = np.full((300, 60, 3), 90, np.uint8)
    sheet = Image.open(io.BytesIO(overlay_png(narrow, np.zeros((300, 60), np.float32), [], 0.15, "grad-cam")))
    assert sheet.size == (256, 300 + LEGEND_PX)
    np.testing.assert_array_equal(np.asarray(sheet)[:300, :60], narrow)
    assert (np.asarray(sheet)[:300, 60:] == 255).all()


def test_a_box_of_a_large_image_covers_what_it_covered_where_it_was_shown() -> None:
    assert Box(0, 10, 2048, 5, 0.5, 0.9).enlarged(8660 / 2048, 3) == Box(0, 30, 8660, 15, 0.5, 0.9)
    assert Box(1, 2, 3, 4, 0.1, 0.2).enlarged(1, 1) == Box(1, 2, 3, 4, 0.1, 0.2)


@pytest.mark.parametrize(
    ("heat", "background", "why"),
    [
        (np.ones((2, 4)), None, "2x4 cells are too coarse"),
        (np.zeros((3, 3)), None, "nothing spoke for the label"),
        (np.eye(3), 0.6, "it lies on the background"),
        (np.eye(3), 0.4, ""),
        (np.eye(3), None, ""),
    ],
)
def test_heat_that_says_nothing_is_known_with_its_reason(heat: np.ndarray, background: float | None, why: str) -> None:
    said = why_unclear(heat, background)
    assert why in said
    assert bool(said) == bool(why)


@pytest.mark.parametrize(
    ("hot", "shown"),
    [
        ((slice(0, 20), slice(0, 20)), False), ((slice(1, 20), slice(0, 19)), False),  # 361 of 400 pixels
        ((slice(2, 20), slice(0, 20)), False),  # 360: nine tenths
        ((slice(2, 20), slice(1, 20)), True), ((slice(5, 9), slice(5, 9)), True),
    ],
)  # fmt: skip
def test_a_box_that_is_nearly_the_whole_picture_says_nothing_and_is_none(hot: tuple[slice, slice], shown: bool) -> None:
    heatmap = np.zeros((20, 20))
    heatmap[hot] = 0.5
    boxes, why = boxes_or_why_none(np.eye(7), heatmap, None)
    assert bool(boxes) == shown == (why == "")
    assert shown or why == "no heat shown: its box is nearly the whole picture"


def test_of_heat_that_says_nothing_no_box_is_shown() -> None:
    assert boxes_or_why_none(np.zeros((7, 7)), np.eye(20), None) == ([], "no heat: nothing spoke for the label")


@pytest.mark.parametrize("width", [32, 900])
def test_a_picture_without_heat_is_grey_above_its_reason(width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (width // 2, width, 3)).astype(np.uint8)
    plain, said = (without_heat(image, lines) for lines in ([""], ["nothing spoke for the label"]))
    assert plain.shape == said.shape
    scale = said.shape[1] // width
    assert said.shape[1] == width * scale >= 256
    top = width // 2 * scale
    assert (said == said[..., :1]).all()
    np.testing.assert_array_equal(plain[:top], said[:top])
    grey = image @ [0.299, 0.587, 0.114]  # luma of ITU-R 601
    assert said[:top, :, 0].mean() == pytest.approx(grey.mean(), abs=1)
    assert (plain[top:] == 255).all()
    assert (said[top:] < 128).any()


def test_a_reason_that_is_wider_than_the_picture_goes_on_in_the_next_line() -> None:
    image = np.full((256, 256, 3), 128, np.uint8)
    caption, reason = "grad-cam, defect (98% defect)", "no heat shown: it lies on the background"
    written = without_heat(image, [caption, reason])[256:, :, 0] < 128
    starts = [2 + LINE_PX * number for number in range(3)]
    assert [written[top : top + LINE_PX].any() for top in starts] == [True] * 3
    whole = " ".join(Lettering(LETTERS_PX).wrapped(reason, 248))
    assert whole == reason


def test_the_reason_below_a_narrow_picture_is_whole() -> None:
    caption, reason = "grad-cam, defect (98% defect)", "no heat shown: it lies on the background"
    narrow, wide = (without_heat(np.full((256, w, 3), 128, np.uint8), [caption, reason]) for w in (60, 256))
    np.testing.assert_array_equal(narrow[256:], wide[256:])
    assert (narrow[:256, 60:] == 255).all()
