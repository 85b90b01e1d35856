"""What a gain is worth in real photographs, by curves whose answer is known."""

import numpy as np
import pytest

from orchestrator.proof.judgement import Rules, judge
from orchestrator.proof.outcomes import ArmOutcome
from orchestrator.proof.verdict import in_photographs
from orchestrator.proof.worth import worth
from tests.unit.proof.test_judgement import EACH_SEED, ONE, experiment

PHOTOGRAPHS = (100.0, 200.0, 400.0, 800.0)
DOUBLINGS = np.array([[0.0], [0.02], [0.04], [0.06]])  # each doubling gains two points


def worth_of(gain: float, curve: np.ndarray = DOUBLINGS) -> float:
    return float(worth(np.array([gain]), curve, PHOTOGRAPHS)[0])


@pytest.mark.parametrize(
    ("gain", "photographs"),
    [
        (0.02, 100), (0.04, 300), (0.06, 700), (0.0, 0), (-0.05, 0), (0.2, 700),
        (0.03, 200 * 2**0.5 - 100), (0.045, 400 * 2**0.25 - 100),
    ],
)  # fmt: skip
def test_a_gain_is_worth_the_photographs_that_gain_as_much(gain: float, photographs: float) -> None:
    assert worth_of(gain) == pytest.approx(photographs)


def test_a_curve_that_falls_is_levelled_first() -> None:
    falling = np.array([[0.0], [0.05], [0.01], [0.06]])  # the second and the third are 0.03 together
    assert worth_of(0.03, falling) == pytest.approx(100)
    assert worth_of(0.015, falling) == pytest.approx(100 * 2**0.5 - 100)
    assert worth_of(0.045, falling) == pytest.approx(400 * 2**0.5 - 100)
    assert worth_of(0.01, np.zeros((4, 1))) == 700, "where more photographs gain nothing, no number of them is enough"


def test_more_gain_is_never_worth_less() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        curve = np.concatenate([[[0.0]], random.normal(0.02, 0.03, (3, 1))])
        worths = [worth_of(gain, curve) for gain in np.linspace(-0.05, 0.1, 60)]
        assert (np.diff(worths) >= -1e-9).all()
        assert 0 <= min(worths) <= max(worths) <= 700


def test_a_replicate_without_a_figure_has_no_worth() -> None:
    curves = np.repeat(DOUBLINGS, 3, axis=1)
    curves[2, 1] = np.nan
    assert np.isnan(worth(np.array([np.nan, 0.01, 0.02]), curves, PHOTOGRAPHS)).tolist() == [True, True, False]


@EACH_SEED
def test_an_arm_as_good_as_more_photographs_is_worth_about_as_many(seed: int) -> None:
    arms = experiment(seed, augmented=0.7, real=0.7, some=0.8, more_real=0.9, made=0.8, noise=0.5)
    photographs = {"real": 100.0, "some": 300.0, "more-real": 900.0}
    rules = Rules(
        "macro-F1", "augmented", ("real", "more-real"), controls=frozenset(photographs), photographs=photographs
    )
    proof = judge(arms, ONE, rules, seed, replicates=500)
    assert list(proof.curve) == [100, 300, 900]
    assert proof.most_worth == 800
    assert set(proof.worth) == {"made", "noise"}, "controls are no contenders"
    assert (proof.worth["noise"].value, proof.worth["noise"].high) == (0, 0)
    of_arm = proof.worth["made"]
    assert of_arm.low <= 200 <= of_arm.high
    assert 60 < of_arm.value < 500


def test_without_a_curve_nothing_is_worth_photographs() -> None:
    arms = experiment(0, augmented=0.7, other=0.8)
    proof = judge([*arms, ArmOutcome("twin", arms[0].folds)], ONE, Rules("macro-F1", "augmented"), 0, 100)
    assert (proof.curve, proof.worth, proof.most_worth) == ({}, {}, 0)


def test_a_worth_beyond_all_photographs_is_said_to_be_at_least_so_many() -> None:
    arms = experiment(0, augmented=0.7, real=0.7, more_real=0.72, copied=0.99)
    photographs = {"real": 100.0, "more-real": 900.0}
    proof = judge(arms, ONE, Rules("macro-F1", "augmented", controls=frozenset(photographs), photographs=photographs))
    shown = in_photographs(proof.worth["copied"], proof.most_worth)
    assert shown == "at least 800 real photographs more (95% interval at least 800 to at least 800)"
