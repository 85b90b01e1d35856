"""The comparison's figures against SciPy and scikit-learn, and the verdict in every case."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.summary import Estimate
from orchestrator.report.comparison import (
    Comparison,
    Difference,
    compare,
    decide,
    decisive,
    evidence,
    group_bootstrap,
    interval,
    paired_p_value,
    sentence,
    subjects_of,
)
from orchestrator.report.confusion import label_rows
from orchestrator.report.documents import Decisions, Evaluation


def evaluation(accuracy: float, cycles: int = 5, images: int = 200, per_group: int = 2, seed: int = 0) -> Evaluation:
    """An evaluation whose predictions are right with this probability."""
    random = np.random.default_rng(seed)
    truth = np.arange(images) // per_group % 2
    right = random.random((cycles, images)) < accuracy
    predicted = np.where(right, truth, 1 - truth)
    labels = ["defect", "good"]
    document = {
        "labels": labels,
        "cycles": [
            {
                "metrics": {
                    "f1": f1_score(truth, p, average="macro"), "accuracy": (p == truth).mean(), "precision": 0.5,
                    "recall": 0.5, "loss": 0.1,
                }
            }
            for p in predicted
        ],
        "images": [
            {
                "sha256": f"{i:064}", "group": str(i // per_group), "label": labels[truth[i]],
                "probabilities": [[float(p[i] == 0), float(p[i] == 1)] for p in predicted],
            }
            for i in range(images)
        ],
    }  # fmt: skip
    return Evaluation.model_validate(document)


def compared(first: Evaluation, second: Evaluation) -> tuple[Comparison, Difference]:
    """Two arms, the first of which is trained on real images, the second on synthetic ones as well."""
    comparison = compare({"real": first, "both": second}, {"both": "the synthetic images"})
    return comparison, comparison.differences["both"]


def test_intervals_and_test_are_students() -> None:
    values = np.array([0.8, 0.82, 0.79, 0.85, 0.81])
    ends = interval(values, (0, 1))
    low, high = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    assert (ends.low, ends.high) == (pytest.approx(low, abs=0.002), pytest.approx(high, abs=0.002))
    assert paired_p_value(values - 0.75) == pytest.approx(stats.ttest_rel(values, np.full(5, 0.75)).pvalue)
    assert paired_p_value(np.zeros(5)) is None


def test_two_cycles_have_values_and_nothing_else() -> None:
    assert interval(np.array([0.8]), (0, 1)) == Estimate(0.8, None, None, (0.8,))
    assert interval(np.array([0.5, 1.0]), (0, 1)) == Estimate(0.75, None, None, (0.5, 1.0))
    assert paired_p_value(np.array([0.1, 0.11])) is None


def test_the_point_of_the_bootstrap_is_the_difference_of_f1() -> None:
    a, b = evaluation(0.7, seed=1), evaluation(0.9, seed=2)
    expected = np.mean([c.metrics["f1"] for c in b.cycles]) - np.mean([c.metrics["f1"] for c in a.cycles])
    difference = group_bootstrap(a, b)
    assert difference.mean == pytest.approx(expected)
    assert difference.low < difference.mean < difference.high


def test_parts_photographed_often_do_not_narrow_the_interval() -> None:
    single = group_bootstrap(evaluation(0.7, per_group=1, seed=3), evaluation(0.8, per_group=1, seed=4))
    a, b = evaluation(0.7, per_group=1, seed=3), evaluation(0.8, per_group=1, seed=4)
    four_photographs_of_every_part = [
        arm.model_copy(update={"images": [image for image in arm.images for _ in range(4)]}) for arm in (a, b)
    ]
    repeated = group_bootstrap(*four_photographs_of_every_part)
    assert (repeated.low, repeated.high) == (pytest.approx(single.low), pytest.approx(single.high))


@pytest.mark.parametrize(
    ("before", "after", "outcome"), [(0.6, 0.95, "helped"), (0.95, 0.6, "hurt"), (0.8, 0.81, "cannot tell")]
)
def test_verdicts(before: float, after: float, outcome: str) -> None:
    comparison, difference = compared(evaluation(before, seed=1), evaluation(after, seed=2))
    assert difference.outcome == outcome
    assert comparison.test_groups == 100
    assert "100 independent" in difference.evidence
    assert not any(sign.isdigit() for sign in comparison.verdict), "it is short; figures stand beside it"


def test_the_same_predictions_make_no_difference() -> None:
    same = evaluation(0.9)
    assert compared(same, same)[1].outcome == "no difference"


def test_one_cycle_cannot_tell() -> None:
    assert compared(evaluation(0.6, cycles=1), evaluation(0.99, cycles=1))[1].outcome == "cannot tell"


def test_both_sources_of_chance_have_a_say() -> None:
    sure, unsure = Estimate(0.1, 0.05, 0.15), Estimate(0.1, -0.05, 0.25)
    assert decide(sure, sure) == "helped"
    assert decide(sure, unsure) == decide(unsure, sure) == "cannot tell"


WIDE, ABOVE, BELOW, NARROW = (
    Estimate(0.158, -0.436, 0.751), Estimate(0.158, 0.063, 0.28), Estimate(-0.1, -0.2, -0.01), Estimate(0, -0.01, 0.01),
)  # fmt: skip
OVER_CYCLES = "over 3 training cycles, on 12 independent test parts"


@pytest.mark.parametrize(
    ("over_cycles", "by_group", "named"),
    [
        (WIDE, ABOVE, f"but chance alone can explain the difference (95% interval {OVER_CYCLES}: -43.6 to +75.1)"),
        (ABOVE, WIDE, "the difference (95% interval over 12 independent test parts: -43.6 to +75.1)"),
        (WIDE, WIDE, f"(95% interval over 12 independent test parts: -43.6 to +75.1; {OVER_CYCLES}: -43.6 to +75.1)"),
        (ABOVE, ABOVE, f"better (95% interval over 12 independent test parts: +6.3 to +28.0; {OVER_CYCLES}: +6.3 to"),
        (BELOW, BELOW, f"worse (95% interval over 12 independent test parts: -20.0 to -1.0; {OVER_CYCLES}: -20.0 to"),
        (
            NARROW,
            NARROW,
            f"2 points of macro-F1 (95% interval over 12 independent test parts: -1.0 to +1.0; {OVER_CYCLES}: -1.0 to",
        ),
    ],
)
def test_the_verdict_names_the_intervals_that_decide_it(over_cycles: Estimate, by_group: Estimate, named: str) -> None:
    said = evidence(decide(over_cycles, by_group), over_cycles, by_group, 12, 3)
    assert named in said
    assert said.startswith("On the mean of 3 trainings an arm: ")


@pytest.mark.parametrize(
    ("values", "why"),
    [((0.158,), "was one training cycle only"), ((0.1, 0.216), "were 2 training cycles only")],
)
def test_the_verdict_of_few_cycles_has_their_values_and_no_interval(values: tuple[float, ...], why: str) -> None:
    over_cycles = interval(np.array(values), (-1, 1))
    said = evidence(decide(over_cycles, ABOVE), over_cycles, ABOVE, 12, len(values))
    by_cycle = ", ".join(f"{100 * value:+.1f}" for value in values)
    assert f"15.8 points of macro-F1 better, but there {why}" in said
    assert f"(by cycle: {by_cycle})." in said
    assert "interval" not in said


@pytest.mark.parametrize(("values", "change"), [((0.0, 0.0), "Macro-F1 differs by less than 0.1 points"),
                                                ((-0.0006, -0.0006), "0.1 points of macro-F1 worse")])  # fmt: skip
def test_what_would_be_shown_as_nothing_is_no_change_for_the_worse(values: tuple[float, ...], change: str) -> None:
    same = interval(np.array(values), (-1, 1))
    assert sentence(decide(same, same), "it") == "This data cannot tell whether it helped."
    said = evidence(decide(same, same), same, same, 12, len(values))
    assert said.startswith(f"{change}, but there were 2 training cycles only")


def test_a_share_of_nothing_is_no_figure() -> None:
    decided = Decisions.model_validate({
        "confusion": [[0, 0], [4, 0]], "escapes": {},
        "labels": {"defect": {"images": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0},
                   "good": {"images": 4, "precision": 0.0, "recall": 0.0, "f1": 0.0}},
    })  # fmt: skip
    defect, good = (row.arms[0] for row in label_rows({"real": decided}))
    assert (defect.precision, defect.recall) == (0.0, None), "four were taken for it, and none is one"
    assert (good.precision, good.recall) == (None, 0.0), "none was taken for it, and four are"


def test_intervals_that_contradict_each_other_are_both_quoted() -> None:
    said = evidence(decide(ABOVE, BELOW), ABOVE, BELOW, 12, 3)
    assert "-20.0 to -1.0" in said
    assert "+6.3 to +28.0" in said


@pytest.mark.parametrize(("after", "outcome"), [(0.95, "cannot tell"), (0.6, "cannot tell"), (0.3, "hurt")])
def test_an_arm_that_got_too_few_synthetic_images_is_never_better_but_may_be_worse(after: float, outcome: str) -> None:
    first = evaluation(0.6, seed=1)
    arm = first if after == 0.6 else evaluation(after, seed=2)
    comparison = compare({"real": first, "both": arm}, {"both": "the synthetic images"}, ["both"])
    assert comparison.differences["both"].outcome == outcome
    assert ("fewer synthetic images than wanted were accepted" in comparison.verdict) == (outcome == "cannot tell")
    assert "better" not in comparison.verdict
    assert not any("better" in said for said in comparison.evidence)


def arm(name: str, trains_on: str, **fields) -> ArmSettings:
    return ArmSettings(name=name, trains_on=trains_on, **fields)


def test_every_arm_is_compared_with_the_first_and_gets_a_sentence() -> None:
    arms = (arm("real", "real"), arm("good", "filtered"), arm("bad", "synthetic"), arm("same", "balanced"))
    first = evaluation(0.8, seed=1)
    measured = {
        "real": first, "good": evaluation(0.99, seed=2), "bad": evaluation(0.55, seed=3), "same": first,
    }  # fmt: skip
    comparison = compare(measured, subjects_of(arms))
    assert list(comparison.arms) == ["real", "good", "bad", "same"]
    assert {title: x.outcome for title, x in comparison.differences.items()} == {
        "good": "helped", "bad": "hurt", "same": "no difference",
    }  # fmt: skip
    for title in ("good", "bad"):
        expected = np.mean([c.metrics["f1"] for c in measured[title].cycles]) - comparison.arms["real"]["f1"].mean
        assert comparison.differences[title].over_cycles.mean == pytest.approx(expected)
    positions = [
        comparison.verdict.index(words)
        for words in (
            "The synthetic images helped", "The unfiltered synthetic images did harm",
            "Drawing every label equally often made no difference",
        )
    ]  # fmt: skip
    assert positions == sorted(positions)
    assert [said.partition(":")[0] for said in comparison.evidence] == ["good", "bad", "same"]


@pytest.mark.parametrize(
    ("others", "subjects"),
    [
        ([arm("b", "filtered", title="both")], {"both": "the synthetic images"}),
        ([arm("b", "filtered"), arm("c", "filtered")], {"b": "“b”", "c": "“c”"}),
        ([arm("b", "filtered", classifier={"epochs": 3})], {"b": "“b”"}),
        ([arm("b", "real", classifier={"epochs": 3})], {"b": "“b”"}),
        ([arm("b", "augmented"), arm("c", "filtered")], {"b": "augmentation", "c": "the synthetic images"}),
    ],
)
def test_what_is_judged_is_what_an_arm_adds_where_it_adds_one_thing(others: list[ArmSettings], subjects: dict) -> None:
    assert subjects_of((arm("a", "real"), *others)) == subjects


BOUND = st.floats(-1, 1).map(lambda x: round(x, 3))


@st.composite
def estimates(draw) -> Estimate:  # type: ignore[no-untyped-def]
    low, mean, high = sorted(draw(st.tuples(BOUND, BOUND, BOUND)))
    return Estimate(mean, low, high)


@given(estimates(), estimates())
def test_the_row_that_decides_is_the_one_that_lets_nobody_tell(over_cycles: Estimate, by_group: Estimate) -> None:
    outcome = decide(over_cycles, by_group)
    marked = decisive(outcome, over_cycles, by_group)
    assert marked, "with two intervals something decides"
    if outcome != "cannot tell":
        assert set(marked) == {"over_cycles", "by_group"}, "each could have prevented it"
        return
    rows = {"over_cycles": over_cycles, "by_group": by_group}
    unmarked = [rows[name] for name in rows.keys() - set(marked)]
    # An unmarked row is clear by itself: above 0, below 0, or within what matters nothing.
    assert all(x.low > 0 or x.high < 0 or max(-x.low, x.high) < 0.02 for x in unmarked)
    said = evidence(outcome, over_cycles, by_group, 12, 3)
    assert ("over 12 independent test parts: " in said) == ("by_group" in marked)
    assert ("over 3 training cycles" in said) == ("over_cycles" in marked)


def test_without_intervals_no_row_decides() -> None:
    few = Estimate(0.1, None, None, (0.1,))
    assert decisive("cannot tell", few, ABOVE) == ()


@pytest.mark.parametrize("after", [0.6, 0.62, 0.95])
def test_of_an_arm_that_got_too_few_images_that_is_the_one_reason(after: float) -> None:
    arms = {"real": evaluation(0.62, seed=1), "more": evaluation(0.95, seed=2), "both": evaluation(after, seed=3)}
    comparison = compare(arms, {"more": "more of them", "both": "the synthetic images"}, ["both"])
    difference = comparison.differences["both"]
    assert difference.outcome == "cannot tell"
    few = "fewer synthetic images than wanted were accepted"
    assert difference.verdict == f"This run cannot tell whether the synthetic images helped: {few}."
    assert (difference.decided_by, difference.evidence) == ((), "")
    assert [said.partition(":")[0] for said in comparison.evidence] == ["more"]
    assert comparison.marks == (
        f"A row that is marked “decides” is what the verdict rests on. No row of “both” decides: {few}."
    )


def test_the_note_on_the_marks_speaks_of_those_that_are_there() -> None:
    few = compared(evaluation(0.6, cycles=2), evaluation(0.9, cycles=2))[0]
    assert few.marks == "No row decides: there were fewer than 3 trainings."
    clear = compared(evaluation(0.6, seed=1), evaluation(0.95, seed=2))[0]
    assert clear.marks == "A row that is marked “decides” is what the verdict rests on."


def test_harm_is_said_though_there_were_too_few_images() -> None:
    first, arm = evaluation(0.95, seed=1), evaluation(0.6, seed=2)
    difference = compare({"real": first, "both": arm}, {"both": "the synthetic images"}, ["both"]).differences["both"]
    assert (difference.outcome, difference.undecided) == ("hurt", "")
