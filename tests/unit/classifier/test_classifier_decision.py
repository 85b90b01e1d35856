"""Calibrated probabilities against SciPy's softmax of the logits; decisions by hand."""

import numpy as np
import pytest
from scipy.special import softmax

from services.classifier.decision import DecisionRule, calibrated, defect_probability


def test_calibrated_is_the_softmax_of_the_divided_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 4, (50, 5))
    for temperature in (0.3, 1.0, 2.7):
        probabilities = calibrated(softmax(logits, axis=1).astype(np.float32), temperature)
        np.testing.assert_allclose(probabilities, softmax(logits / temperature, axis=1), atol=1e-6)


def test_probabilities_that_sank_to_zero_stay_numbers() -> None:
    probabilities = calibrated(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), 2.0)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities.argmax(axis=1).tolist() == [0, 1]


def test_a_part_is_rejected_from_the_threshold_on() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.65, 0.2, 0.15], [0.9, 0.02, 0.08]])
    decisions = DecisionRule(temperature=1.0, good=0, threshold=0.35).decide(probabilities)
    assert decisions.rejected is not None
    assert decisions.rejected.tolist() == [True, True, False]
    assert decisions.labels.tolist() == [1, 1, 0]
    np.testing.assert_allclose(defect_probability(probabilities, 0), [0.5, 0.35, 0.1])
    assert DecisionRule(good=0, threshold=0.36).decide(probabilities).labels.tolist() == [1, 0, 0]


def test_without_an_operating_point_the_most_probable_label_is_taken() -> None:
    decisions = DecisionRule(temperature=3.0).decide(np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]))
    assert decisions.labels.tolist() == [0, 2]
    assert decisions.rejected is None
    assert decisions.probabilities[1, 2] < 0.7


def test_what_is_no_number_does_not_pass() -> None:
    for row in ([np.nan, np.nan, np.nan], [0.9, np.nan, 0.1], [np.nan, 0.1, 0.1]):
        decisions = DecisionRule(good=0, threshold=0.5).decide(np.array([row]))
        assert decisions.rejected is not None
        assert decisions.rejected.tolist() == [True]
        assert decisions.labels[0] != 0


@pytest.mark.parametrize(("threshold", "expected"), [(0.0, [True, True]), (1.5, [False, False])])
def test_the_ends_reject_everything_and_nothing(threshold: float, expected: list[bool]) -> None:
    decisions = DecisionRule(good=1, threshold=threshold).decide(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert decisions.rejected is not None
    assert decisions.rejected.tolist() == expected
