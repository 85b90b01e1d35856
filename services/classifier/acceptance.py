"""Calibration and operating point of a trained network, from its answers on validation and test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from defectory.caution import caution_of
from defectory.statistics import rate_interval
from services.classifier.calibration import expected_calibration_error, fit_temperature
from services.classifier.card import Calibration, CalibrationError, OperatingPoint, Rate, Rates
from services.classifier.data import Part, own_images
from services.classifier.decision import DOUBT, calibrated, defect_probability
from services.classifier.operating_point import choose_threshold, errors_at
from services.classifier.target import Target

NO_TARGET_THRESHOLD = 0.5


@dataclass(frozen=True)
class Answers:
    """A network's own probabilities (N, C) of one split's images, and the truth (N,)."""

    labels: np.ndarray
    probabilities: np.ndarray


def answers_of(part: Part, probabilities: np.ndarray) -> Answers:
    """What a network answered, (N, C), on a split's own images (`own_images`)."""
    own = own_images(part.lines)
    return Answers(part.labels[own], probabilities[own])


def calibrate(validation: Answers, test: Answers) -> Calibration:
    """The temperature that fits validation, with its calibration errors."""
    temperature = fit_temperature(validation.labels, validation.probabilities)
    most_probable = calibrated(validation.probabilities, temperature).max(axis=1)
    return Calibration(
        temperature=temperature,
        validation=calibration_error(validation, temperature),
        test=calibration_error(test, temperature) if len(test.labels) else None,
        caution=caution_of(len(validation.labels)),
        doubtful=float((most_probable <= DOUBT).mean()),
    )


def draw_line(
    labels: Sequence[str],
    good: str,
    target: Target | None,
    temperature: float,
    validation: Answers,
    test: Answers,
) -> OperatingPoint | None:
    """The operating point that meets the target on validation; None where good and defective cannot be told apart.

    Without a target the threshold is 1/2.
    """
    if good not in labels:
        return None
    index = labels.index(good)
    scores = defect_probability(calibrated(validation.probabilities, temperature), index)
    defective = validation.labels != index
    if defective.all() or not defective.any():
        return None
    threshold = NO_TARGET_THRESHOLD if target is None else choose_threshold(defective, scores, target)
    on_validation = rates(validation, index, temperature, threshold)
    assert on_validation is not None  # both kinds are there
    return OperatingPoint(
        good=good,
        threshold=threshold,
        target=target.kind if target else None,
        target_value=target.value if target else None,
        validation=on_validation,
        test=rates(test, index, temperature, threshold),
    )


def rates(answers: Answers, good: int, temperature: float, threshold: float) -> Rates | None:
    """Both errors at a threshold; None where good or defective images are missing."""
    defective = answers.labels != good
    if defective.all() or not defective.any():
        return None
    scores = defect_probability(calibrated(answers.probabilities, temperature), good)
    escapes, overkills = errors_at(defective, scores, threshold)
    return Rates(escape=rate(*escapes), overkill=rate(*overkills))


def calibration_error(answers: Answers, temperature: float) -> CalibrationError:
    """How far confidence and accuracy lie apart, with and without the temperature."""
    fair = calibrated(answers.probabilities, temperature)
    return CalibrationError(
        ece_before=expected_calibration_error(answers.labels, answers.probabilities),
        ece_after=expected_calibration_error(answers.labels, fair),
        images=len(answers.labels),
    )


def rate(count: int, of: int) -> Rate:
    """`count` of `of`, at least 1, with its interval."""
    low, high = rate_interval(count, of)
    return Rate(count=count, of=of, low=low, high=high)
