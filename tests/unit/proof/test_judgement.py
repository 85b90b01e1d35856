"""The judgement on experiments whose answer is known, in each of twenty seeds."""

from dataclasses import replace

import numpy as np
import pytest

from defectory.errors import InvalidInput
from orchestrator.proof import scores
from orchestrator.proof.judgement import Proof, Rules, judge
from orchestrator.proof.outcomes import ArmOutcome, FoldOutcome

FOLDS, SEEDS, PARTS = 5, 3, 60
RULES = Rules("macro-F1", "augmented", ("real", "more-real"))
SCORES = {"macro-F1": scores.macro_f1, "AUROC": scores.auroc}
ONE = {"macro-F1": scores.macro_f1}
EACH_SEED = pytest.mark.parametrize("seed", range(20))


def arm_of(name: str, right: float, rng: np.random.Generator, truths: list[np.ndarray]) -> ArmOutcome:
    """An arm whose classifiers are right about a photograph with a probability; two photographs a part."""
    folds = []
    for truth in truths:
        is_right = rng.random((SEEDS, len(truth))) < right
        decided = np.where(is_right, truth, 1 - truth)
        score = np.clip(decided * 0.6 + rng.random(decided.shape) * 0.4, 0, 1)
        kind = np.where(truth > 0, "scratch", "")
        folds.append(FoldOutcome(truth, np.arange(len(truth)) // 2, decided, score, decided > 0, decided, kind))
    return ArmOutcome(name, folds)


def experiment(seed: int, **right: float) -> list[ArmOutcome]:
    rng = np.random.default_rng(seed)
    truths = [np.repeat((rng.random(PARTS) < 0.4).astype(int), 2) for _ in range(FOLDS)]
    return [arm_of(name.replace("_", "-"), share, rng, truths) for name, share in right.items()]


def judged(seed: int, **right: float) -> Proof:
    return judge(experiment(seed, **right), SCORES, RULES, seed, replicates=1000)


@EACH_SEED
def test_an_arm_that_knows_the_tests_defects_helps_and_one_of_noise_hurts(seed: int) -> None:
    proof = judged(seed, augmented=0.8, real=0.75, more_real=0.9, copied=0.97, noise=0.5)
    assert proof.can_tell
    assert proof.differences["copied"].outcome == "helped"
    assert proof.differences["noise"].outcome == "hurt"


@EACH_SEED
def test_an_arm_equal_to_the_reference_makes_no_difference(seed: int) -> None:
    arms = experiment(seed, augmented=0.8, real=0.75, more_real=0.9)
    proof = judge([*arms, ArmOutcome("twin", arms[0].folds)], SCORES, RULES, seed, replicates=1000)
    twin = proof.differences["twin"]
    assert (twin.gain.value, twin.gain.low, twin.gain.high) == (0, 0, 0)
    assert (twin.outcome, twin.p_value, twin.corrected, twin.p_of_folds) == ("no benefit", 1, 1, 1)


@EACH_SEED
def test_nothing_is_told_by_a_test_that_more_photographs_do_not_move(seed: int) -> None:
    arms = experiment(seed, augmented=0.8, real=0.8, copied=0.97)
    proof = judge([*arms, ArmOutcome("more-real", arms[1].folds)], SCORES, RULES, seed, replicates=1000)
    assert not proof.can_tell
    assert {difference.outcome for difference in proof.differences.values()} == {"cannot tell"}


def test_control_arms_are_no_comparison_more() -> None:
    arms = experiment(3, augmented=0.8, real=0.78, more_real=0.9, first=0.84, second=0.85)
    rules = replace(RULES, controls=frozenset({"real", "more-real"}))
    alone, beside = (
        judge([arm for arm in arms if arm.name != "second" or both], ONE, rules, 0, 1000).differences
        for both in (False, True)
    )
    assert alone["first"].corrected == alone["first"].p_value, "the only one that contends"
    assert alone["first"].of == 1
    assert beside["first"].of == beside["second"].of == 2
    smaller, larger = sorted((beside["first"], beside["second"]), key=lambda x: x.p_value)
    assert smaller.corrected == pytest.approx(min(1, 2 * smaller.p_value))
    assert larger.corrected == pytest.approx(max(larger.p_value, smaller.corrected))
    for name in ("real", "more-real"):
        assert beside[name].corrected == beside[name].p_value
        assert beside[name].of == 1


def test_arms_that_do_not_differ_are_seldom_said_to() -> None:
    rules = Rules("macro-F1", "augmented")
    said = [
        judge(experiment(seed, augmented=0.8, other=0.8), ONE, rules, seed, 300).differences["other"].outcome
        for seed in range(100)
    ]
    assert sum(outcome in ("helped", "hurt") for outcome in said) <= 11  # of 100, where 5 are to be expected


def test_a_small_test_cannot_tell() -> None:
    rng = np.random.default_rng(0)
    truths = [np.array([0, 0, 1, 1])] * 2
    arms = [arm_of("augmented", 0.8, rng, truths), arm_of("other", 0.8, rng, truths)]
    assert judge(arms, SCORES, Rules("macro-F1", "augmented"), 0, 500).differences["other"].outcome == "cannot tell"


def test_arms_of_other_photographs_are_not_compared() -> None:
    with pytest.raises(InvalidInput, match="arm other, fold 1, is not comparable"):
        judge([*experiment(0, augmented=0.8), *experiment(1, other=0.8)], SCORES, Rules("macro-F1", "augmented"))


def test_rules_name_what_is_there() -> None:
    with pytest.raises(InvalidInput, match="augmented"):
        judge(experiment(0, real=0.8), SCORES, Rules("macro-F1", "augmented"))
