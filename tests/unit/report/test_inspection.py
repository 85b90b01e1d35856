"""Which classifier to go on with, and what is said of its fitness: bounds by SciPy's exact test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orchestrator.pipeline.arms import NAMED_ARMS, ArmSettings
from orchestrator.pipeline.summary import Estimate, Outcome
from orchestrator.report.comparison import Difference
from orchestrator.report.documents import Evaluation
from orchestrator.report.inspection import Choice, chosen, parts_needed

ARMS = {arm.name: arm for arm in NAMED_ARMS}
THREE = [ARMS["baseline"], ARMS["augmented"], ARMS["expanded"]]


def evaluation(missed: int, alarms: int, of: tuple[int, int] = (4, 9), good: bool = True) -> Evaluation:
    """So many defects of so many missed, so many good parts of so many rejected."""
    counts = {"escape": (missed, of[0]), "overkill": (alarms, of[1])}
    measured = {error: {"count": count, "of": n, "low": 0.0, "high": 1.0} for error, (count, n) in counts.items()}
    image = {"sha256": "0", "group": "0", "label": "defect", "probabilities": [[1.0, 0.0]]}
    point = {"good": "good", "measured": measured} if good else None
    return Evaluation.model_validate(
        {"labels": ["defect", "good"], "cycles": [], "images": [image], "decisions": None, "operating_point": point}
    )


def difference(outcome: Outcome, f1: float = 0.0) -> Difference:
    estimate = Estimate(f1, f1 - 0.1, f1 + 0.1)
    return Difference(3, estimate, None, estimate, (), outcome, "", "", "")


def of(
    mistakes: list[tuple[int, int]], outcomes: list[Outcome], no_better: tuple[str, ...] = (), good: bool = True,
    arms: list[ArmSettings] = THREE, tested: tuple[int, int] = (4, 9),
) -> Choice:  # fmt: skip
    """The choice among arms, real ones first, with their mistakes and what the others did beside the first."""
    titles = [arm.shown for arm in arms]
    evaluations = {title: evaluation(*x, of=tested, good=good) for title, x in zip(titles, mistakes, strict=True)}
    differences = {title: difference(x, n / 10) for n, (title, x) in enumerate(zip(titles[1:], outcomes, strict=True))}
    return chosen(arms, evaluations, differences, no_better)


def test_the_arm_that_misses_the_fewest_defects_is_named_with_both_counts_a_bound_and_what_proof_would_take() -> None:
    choice = of([(2, 1), (1, 2), (2, 3)], ["cannot tell", "cannot tell"])
    assert (choice.title, choice.why) == ("real + augmentation", "which lets the fewest defects through, 1 of 4")
    high = stats.binomtest(1, 4).proportion_ci(0.95, "exact").high
    assert choice.sentence == (
        "Of the classifiers, “real + augmentation” lets the fewest defects through: 1 of 4 (with so few, the true "
        f"share may be up to {high:.0%}), and rejects 2 of 9 good parts. It is one photograph ahead, which chance "
        "alone can explain. “real + augmentation” is not shown to be fit for inspection: to "
        "show that at most 5% of defects go through takes 72 defective test parts without a miss."
    )


def test_an_arm_on_images_that_are_no_photographs_has_to_be_shown_to_have_helped() -> None:
    unproven = of([(2, 1), (1, 2), (0, 3)], ["cannot tell", "cannot tell"])
    assert unproven.title == "real + augmentation"
    assert unproven.sentence.startswith(
        "Of the classifiers that nothing speaks against, “real + augmentation” lets the"
    )
    assert "“real + synthetic” lets 0 through and rejects 3, but is not shown to have helped." in unproven.sentence
    assert of([(2, 1), (1, 2), (0, 3)], ["cannot tell", "helped"]).title == "real + synthetic"


def test_what_did_harm_or_is_of_no_use_is_not_gone_on_with() -> None:
    assert of([(2, 1), (1, 2), (2, 3)], ["hurt", "cannot tell"]).title == "real only"
    useless = of([(0, 9), (1, 2), (2, 3)], ["cannot tell", "cannot tell"], ("real only",))
    assert useless.title == "real + augmentation"
    assert "“real only” lets 0 through and rejects 9, but is no better than one answer" in useless.sentence
    titles = tuple(arm.shown for arm in THREE)
    assert of([(4, 0)] * 3, ["cannot tell", "cannot tell"], titles) == Choice("real only")


def test_of_equal_misses_the_fewer_false_alarms_count_then_the_order() -> None:
    fewer = of([(1, 3), (1, 2), (1, 1)], ["cannot tell", "cannot tell"])
    assert fewer.title == "real + augmentation"
    assert fewer.why.endswith("1 of 4, and then rejects the fewest good parts, 2 of 9")
    assert of([(1, 2), (1, 2), (1, 2)], ["cannot tell", "cannot tell"]).title == "real only"


def test_beside_an_unproven_arm_the_only_other_is_gone_on_with_for_want_of_a_better() -> None:
    choice = of([(2, 1), (2, 3)], ["cannot tell"], arms=[THREE[0], THREE[2]])
    assert (choice.title, choice.why) == ("real only", "as no other is shown to be better")
    assert choice.sentence.startswith(
        "“real only” is the classifier to go on with, as no other is shown to be better. It"
    )


def test_without_a_label_of_good_parts_the_arm_that_helped_most_is_taken_else_the_first() -> None:
    assert of([(0, 0)] * 3, ["cannot tell", "cannot tell"], good=False) == Choice("real only")
    helped = of([(0, 0)] * 3, ["helped", "helped"], good=False)
    assert (helped.title, helped.why, helped.sentence) == ("real + synthetic", "which helped", "")


@pytest.mark.parametrize(("others", "chance"), [(1, True), (5, True), (6, False)])
def test_a_lead_of_a_few_photographs_is_put_down_to_chance_as_a_sign_test_does(others: int, chance: bool) -> None:
    said = of([(0, 1), (others, 1), (others, 1)], ["cannot tell", "cannot tell"], tested=(90, 90)).sentence
    assert (stats.binomtest(others, others).pvalue > 0.05) == chance
    assert ("which chance alone can explain" in said) == chance


@pytest.mark.parametrize(("defects", "shown"), [(72, True), (71, False)])
def test_fitness_is_doubted_until_the_bound_is_small(defects: int, shown: bool) -> None:
    said = of([(0, 1), (1, 1), (1, 1)], ["cannot tell", "cannot tell"], tested=(defects, 90)).sentence
    assert ("not shown to be fit" in said) != shown
    assert "may be up to 5%" in said


@given(st.floats(0.005, 0.5))
def test_so_many_parts_without_a_miss_and_no_fewer_bound_a_share(share: float) -> None:
    parts = parts_needed(share)
    assert stats.binomtest(0, parts).proportion_ci(0.95, "exact").high <= share + 1e-9
    assert stats.binomtest(0, max(1, parts - 1)).proportion_ci(0.95, "exact").high > share - 1e-9
