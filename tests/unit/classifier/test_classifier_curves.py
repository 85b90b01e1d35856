"""What figures are drawn from: bins and thresholds against counts by hand, scikit-learn and statsmodels."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from statsmodels.stats.proportion import proportion_confint

from services.classifier import curves
from services.classifier.acceptance import Answers
from services.classifier.curves import curves_of, operating_curve
from services.classifier.decision import DecisionRule


def test_a_bin_says_its_edges_its_images_and_how_far_its_accuracy_is_known() -> None:
    probabilities = np.array([[0.95, 0.05], [0.97, 0.03], [0.4, 0.6]])
    bins = curves_of(DecisionRule(), Answers(np.array([0, 1, 1]), probabilities))["reliability"]["as_trained"]
    assert [one["images"] for one in bins] == [1, 2]
    low, high = proportion_confint(1, 2, alpha=0.05, method="beta")
    assert bins[1] == {
        "low": pytest.approx(14 / 15), "high": 1.0, "images": 2, "confidence": pytest.approx(0.96), "right": 1,
        "accuracy": 0.5, "accuracy_low": pytest.approx(low), "accuracy_high": pytest.approx(high),
    }  # fmt: skip


def test_calibrated_bins_are_of_what_the_temperature_leaves() -> None:
    probabilities = np.array([[0.8, 0.2], [0.2, 0.8]])
    (one,) = curves_of(DecisionRule(2.0), Answers(np.array([0, 1]), probabilities))["reliability"]["calibrated"]
    assert one["confidence"] == pytest.approx(2 / 3)  # sqrt(0.8) / (sqrt(0.8) + sqrt(0.2))


def test_both_mistakes_are_counted_at_every_threshold() -> None:
    defective, scores = np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, 0.1])
    assert operating_curve(defective, scores, 0.5) == {
        "defects": 2, "good": 2, "thresholds": [0.1, 0.4, 0.9, 2.0], "missed": [0, 0, 1, 2],
        "false_alarms": [2, 1, 0, 0],
    }  # fmt: skip


def test_they_are_the_roc_curves_own() -> None:
    rng = np.random.default_rng(0)
    defective = rng.random(300) < 0.3
    scores = np.round(np.clip(rng.normal(0.4 + 0.3 * defective, 0.2), 0, 1), 2)  # with ties
    curve = operating_curve(defective, scores, 0.5)
    assert curve is not None
    overkill, recall, thresholds = roc_curve(defective, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve["thresholds"][:-1], thresholds[:0:-1])
    np.testing.assert_allclose(1 - np.array(curve["missed"]) / curve["defects"], recall[::-1])
    np.testing.assert_allclose(np.array(curve["false_alarms"]) / curve["good"], overkill[::-1])


def test_of_very_many_images_the_operating_points_own_counts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_THRESHOLDS", 10)
    rng = np.random.default_rng(1)
    defective, scores = rng.random(5_000) < 0.5, rng.random(5_000)
    curve = operating_curve(defective, scores, 0.123456)
    assert curve is not None
    assert len(curve["thresholds"]) == 11
    assert (curve["false_alarms"][0], curve["missed"][-1]) == (curve["good"], curve["defects"])
    place = int(np.searchsorted(curve["thresholds"], 0.123456))
    assert curve["missed"][place] == (defective & (scores < 0.123456)).sum()
    assert curve["false_alarms"][place] == (~defective & (scores >= 0.123456)).sum()


def test_without_good_or_defective_images_there_is_no_threshold() -> None:
    answers = Answers(np.array([0, 0]), np.array([[0.8, 0.2], [0.7, 0.3]]))
    assert curves_of(DecisionRule(1.0, good=0), answers)["operating"] is None
    assert curves_of(DecisionRule(), answers)["operating"] is None
    nothing = curves_of(DecisionRule(1.0, good=0), Answers(np.zeros(0, int), np.zeros((0, 2))))
    assert nothing == {"reliability": {"as_trained": [], "calibrated": []}, "operating": None}


def test_it_is_json() -> None:
    answers = Answers(np.array([0, 1]), np.array([[0.8, 0.2], [0.7, 0.3]]))
    written = curves_of(DecisionRule(1.0, good=0), answers)
    assert json.loads(json.dumps(written)) == written
