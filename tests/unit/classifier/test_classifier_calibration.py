"""Temperature and calibration error against known truths; thresholds against a search over all of them."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

from defectory.errors import InvalidInput
from defectory.statistics import rate_interval
from services.classifier.acceptance import Answers, calibrate, draw_line
from services.classifier.calibration import expected_calibration_error, fit_temperature, reliability
from services.classifier.operating_point import choose_threshold, errors_at
from services.classifier.target import Target, check_target, parse_target

NONE = Answers(np.zeros(0, int), np.zeros((0, 2)))


def drawn(count: int, temperature: float, seed: int = 0, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Labels that follow softmax(logits / temperature), and the network's softmax(logits)."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (count, classes))
    fair = softmax(logits / temperature, axis=1)
    labels = (random.random((count, 1)) > fair.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return labels, softmax(logits, axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(temperature: float) -> None:
    labels, probabilities = drawn(40_000, temperature)
    assert fit_temperature(labels, probabilities) == pytest.approx(temperature, rel=0.05)


def most_likely(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature of the labels alone, whatever was expected before."""

    def unlikely(log_temperature: float) -> float:
        scaled = np.log(probabilities) / np.exp(log_temperature)
        return -float(np.log(softmax(scaled, axis=1)[np.arange(len(labels)), labels]).mean())

    return float(np.exp(minimize_scalar(unlikely, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_of_few_images_the_temperature_does_better_on_others_than_the_most_likely_one(temperature: float) -> None:
    labels, probabilities = drawn(5_000, temperature, seed=99, classes=2)

    def surprise(chosen: float) -> float:
        fair = softmax(np.log(probabilities) / chosen, axis=1)
        return -float(np.log(np.maximum(fair[np.arange(len(labels)), labels], 1e-30)).mean())

    few = [drawn(13, temperature, seed, classes=2) for seed in range(40)]
    assert np.mean([surprise(fit_temperature(*one)) for one in few]) < np.mean(
        [surprise(most_likely(*one)) for one in few]
    )
    many = drawn(400, temperature, seed=7, classes=2)
    assert fit_temperature(*many) == pytest.approx(most_likely(*many), rel=0.1)


def test_a_handful_of_right_answers_makes_nothing_certain() -> None:
    labels, probabilities = np.array([0, 1] * 6), np.array([[0.8, 0.2], [0.2, 0.8]] * 6)
    assert most_likely(labels, probabilities) == pytest.approx(0.05, rel=0.01)  # 0.8 would become 1
    assert fit_temperature(labels, probabilities) > 0.5


@pytest.mark.parametrize(("images", "wrong"), [(1, "98"), (13, "25"), (29, "12"), (30, ""), (400, "")])
def test_few_images_are_warned_of_with_what_they_leave_open(images: int, wrong: str) -> None:
    # Clopper and Pearson with no wrong answer among n: 1 - 0.025^(1/n).
    labels, probabilities = np.zeros(images, int), np.full((images, 2), 0.5)
    calibration = calibrate(Answers(labels, probabilities), NONE)
    assert (f"calls 99% sure, up to {wrong} may be wrong" in calibration.caution) == bool(wrong)
    assert bool(calibration.caution) == bool(wrong)


def test_scaling_mends_an_overconfident_network() -> None:
    calibration = calibrate(Answers(*drawn(2_000, 3.0, seed=1)), Answers(*drawn(2_000, 3.0, seed=2)))
    assert calibration.test is not None
    for error in (calibration.validation, calibration.test):
        assert error.ece_before > 0.15
        assert error.ece_after < 0.05
        assert error.images == 2_000


def test_the_calibration_error_of_a_case_by_hand() -> None:
    # Bins of 1/15: 0.9 twice (one right), 0.6 twice (both right).
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    labels = np.array([0, 1, 0, 1])
    assert expected_calibration_error(labels, probabilities) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)


def test_the_bins_agree_with_scikit_learn() -> None:
    labels, probabilities = drawn(3_000, 2.0)
    right, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    accuracies, confidences = calibration_curve(right, confidence, n_bins=15)
    rows = reliability(labels, probabilities)
    np.testing.assert_allclose([row.confidence for row in rows], confidences)
    np.testing.assert_allclose([row.accuracy for row in rows], accuracies)
    assert sum(row.images for row in rows) == 3_000
    assert all(row.low <= row.confidence <= row.high for row in rows)


def some_scores(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    defective = random.random(120) < 0.4
    return defective, np.round(np.clip(random.normal(0.35 + 0.3 * defective, 0.2), 0, 1), 2)  # with ties


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 1.0])
def test_the_threshold_for_a_recall_costs_the_least_overkill(seed: int, share: float) -> None:
    defective, scores = some_scores(seed)
    threshold = choose_threshold(defective, scores, Target("recall", share))
    (escaped, of), (overkill, _) = errors_at(defective, scores, threshold)
    assert 1 - escaped / of >= share - 1e-12
    every = [errors_at(defective, scores, t) for t in np.linspace(0, 1.01, 2_000)]
    assert overkill == min(o for (e, _), (o, _) in every if 1 - e / of >= share - 1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
def test_the_threshold_for_an_overkill_lets_the_least_escape(seed: int, share: float) -> None:
    defective, scores = some_scores(seed)
    threshold = choose_threshold(defective, scores, Target("overkill", share))
    (escaped, _), (overkill, of) = errors_at(defective, scores, threshold)
    assert overkill / of <= share + 1e-12
    every = [errors_at(defective, scores, t) for t in np.linspace(0, 1.01, 2_000)]
    assert escaped == min(e for (e, _), (o, _) in every if o / of <= share + 1e-12)


def test_a_good_part_that_is_surely_defective_can_still_be_let_pass() -> None:
    defective, scores = np.array([True, False]), np.array([0.4, 1.0])
    threshold = choose_threshold(defective, scores, Target("overkill", 0.0))
    assert errors_at(defective, scores, threshold) == ((1, 1), (0, 1))
    threshold = choose_threshold(np.array([True, False]), np.array([0.0, 1.0]), Target("recall", 1.0))
    assert errors_at(defective, np.array([0.0, 1.0]), threshold) == ((0, 1), (1, 1))


@pytest.mark.parametrize(("count", "of"), [(0, 14), (1, 14), (7, 14), (14, 14), (3, 500)])
def test_intervals_are_those_of_clopper_and_pearson(count: int, of: int) -> None:
    assert rate_interval(count, of) == pytest.approx(proportion_confint(count, of, alpha=0.05, method="beta"), abs=1e-9)


@pytest.mark.parametrize(
    "text", ["recall", "recall=", "recall=0", "recall=1.1", "overkill=1", "misses=0.1", "recall=nan"]
)
def test_targets_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"recall=SHARE"):
        parse_target(text)


def test_targets_are_read() -> None:
    assert parse_target("recall=0.99") == Target("recall", 0.99)
    assert parse_target("overkill=0") == Target("overkill", 0.0)
    assert parse_target("") is None


def test_the_line_is_drawn_on_validation_and_measured_on_both() -> None:
    labels, probabilities = drawn(400, 1.0, seed=3)
    test_labels, test_probabilities = drawn(300, 1.0, seed=4)
    names = ("crack", "good", "hole")
    point = draw_line(
        names,
        "good",
        Target("recall", 0.95),
        1.0,
        Answers(labels, probabilities),
        Answers(test_labels, test_probabilities),
    )
    assert point is not None
    rejected = 1 - probabilities[:, 1] >= point.threshold
    assert point.validation.escape.count == (~rejected[labels != 1]).sum()
    assert point.validation.overkill.count == rejected[labels == 1].sum()
    assert point.validation.escape.value <= 0.05
    assert point.test is not None
    test_rejected = 1 - test_probabilities[:, 1] >= point.threshold
    assert point.test.overkill.count == test_rejected[test_labels == 1].sum()
    assert point.test.escape.of == (test_labels != 1).sum()


def test_without_a_label_of_good_parts_there_is_no_line() -> None:
    labels, probabilities = drawn(50, 1.0)
    assert draw_line(("a", "b", "c"), "good", None, 1.0, Answers(labels, probabilities), NONE) is None
    with pytest.raises(InvalidInput, match="label of good parts"):
        check_target(("a", "b"), "good", Target("recall", 0.9), ["a", "b"])
    with pytest.raises(InvalidInput, match="validation"):
        check_target(("a", "good"), "good", Target("recall", 0.9), ["good", "good"])
