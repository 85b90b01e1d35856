"""Boxes against SciPy's labelling; thresholds against NumPy and scikit-image's definition of Otsu's, done here."""

import numpy as np
import pytest
from scipy import ndimage

from defectory.errors import InvalidInput
from services.explainer.boxes import BoxRule, find_boxes


@pytest.fixture
def heat() -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).random((40, 60)), 3)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def otsu(values: np.ndarray) -> int:
    """The level of 256 that parts the values into two classes with the greatest variance between them."""
    levels = np.round(values / values.max() * 255).astype(int).ravel()
    between = []
    for level in range(255):
        low, high = levels[levels <= level], levels[levels > level]
        spread = low.size * high.size * (low.mean() - high.mean()) ** 2 if low.size and high.size else 0
        between.append(spread)
    return int(np.argmax(between))


@pytest.mark.parametrize("rule", [BoxRule(), BoxRule("share", 0.6), BoxRule("percentile", 0.8), BoxRule("otsu")])
def test_boxes_are_the_connected_parts_above_the_rules_threshold(heat: np.ndarray, rule: BoxRule) -> None:
    hot = {
        "share": heat >= (rule.value or 0.15) * heat.max(),
        "percentile": heat >= np.quantile(heat, 0.8),
        "otsu": np.round(heat / heat.max() * 255) > otsu(heat),
    }[rule.name]
    boxes = find_boxes(heat, rule)
    labelled, count = ndimage.label(hot, structure=np.ones((3, 3)))
    expected = sorted(
        (s[1].start, s[0].start, s[1].stop - s[1].start, s[0].stop - s[0].start) for s in ndimage.find_objects(labelled)
    )
    assert len(boxes) == count >= 1
    assert sorted((b.x, b.y, b.width, b.height) for b in boxes) == expected
    means = ndimage.mean(heat, labelled, range(1, count + 1))
    assert sorted(b.heat for b in boxes) == pytest.approx(sorted(means))
    peaks = ndimage.maximum(heat, labelled, range(1, count + 1))
    assert sorted(b.peak for b in boxes) == pytest.approx(sorted(peaks))
    areas = [b.width * b.height for b in boxes]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize("name", ["share", "percentile", "otsu"])
def test_no_heat_no_boxes(name: str) -> None:
    assert find_boxes(np.zeros((5, 5)), BoxRule(name)) == []


def test_what_is_cold_is_in_no_box() -> None:
    heat = np.zeros((20, 20))
    heat[3, 4] = 1
    assert [(b.x, b.y, b.width, b.height) for b in find_boxes(heat, BoxRule("percentile", 0.5))] == [(4, 3, 1, 1)]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"name": "guess"}, "box_rule"),
        ({"value": 1.0}, "box_threshold"),
        ({"value": float("nan")}, "box_threshold"),
        ({"name": "percentile", "value": 0.0}, "box_threshold"),
        ({"name": "otsu", "value": 0.5}, "box_threshold"),
    ],
)
def test_rules_that_there_are_not(rule: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        BoxRule(**rule)
    assert list(caught.value.fields) == [field]
