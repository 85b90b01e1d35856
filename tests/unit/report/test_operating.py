"""Mistakes and their cost over the threshold: against counts of the images themselves, and what is advised."""

import csv
import io

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from orchestrator.pipeline.cost_settings import CostSettings
from orchestrator.report.documents import Evaluation, Metrics, OperatingCurve
from orchestrator.report.operating import Curve, Operating, cost_chart, cost_sentences, mistakes_chart, operating_of
from tests.unit.report.finished_run import curves

COSTS = CostSettings(escape=50, overkill=1, defect_share=0.02)
BAD, GOOD = np.array([0.3, 0.7, 0.9, 0.95]), np.array([0.05, 0.1, 0.2, 0.4, 0.8])  # scores
COLOURS = {"one": "#112233", "two": "#445566"}


def counted(bad: np.ndarray, good: np.ndarray) -> OperatingCurve:
    thresholds = [*sorted({*bad, *good}), 2.0]
    missed, alarms = [int((bad < t).sum()) for t in thresholds], [int((good >= t).sum()) for t in thresholds]
    return OperatingCurve(
        defects=len(bad), good=len(good), thresholds=thresholds, missed=missed, false_alarms=alarms
    )  # fmt: skip


def cost_at(threshold: float, bad: np.ndarray = BAD, good: np.ndarray = GOOD, costs: CostSettings = COSTS) -> float:
    """Cost of 1,000 parts, part by part."""
    share, missed, alarms = costs.defect_share, np.mean(bad < threshold), np.mean(good >= threshold)
    return float(1000 * (share * missed * costs.escape + (1 - share) * alarms * costs.overkill))


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.25, 0.3, 0.5, 0.8, 0.97, 1.0, 2.0])
def test_the_cost_at_a_threshold_is_that_of_the_images_decided_by_it(threshold: float) -> None:
    curve = Curve(counted(BAD, GOOD))
    assert curve.cost(COSTS).at(curve.place(threshold))[0] == pytest.approx(cost_at(threshold))


def test_every_rate_has_its_exact_interval() -> None:
    curve = Curve(counted(BAD, GOOD))
    place = curve.place(0.5)  # one of four defects passes, one of five good parts is rejected
    for figures, count, of in ((curve.missed, 1, 4), (curve.false_alarms, 1, 5)):
        low, high = proportion_confint(count, of, alpha=0.05, method="beta")
        assert figures.at(place) == pytest.approx((count / of, low, high))


def test_a_cost_of_no_mistake_seen_has_a_width_all_the_same() -> None:
    curve = Curve(counted(np.array([0.8, 0.9]), np.array([0.1, 0.2])))
    value, low, high = curve.cost(COSTS).at(curve.place(0.5))
    assert value == low == 0
    # Both rates may be as high as 1 - 0.025^(1/2), by Clopper and Pearson.
    worst = 1 - 0.025**0.5
    assert high == pytest.approx(worst * np.hypot(1000 * 0.02 * 50, 1000 * 0.98))


def test_the_cheapest_threshold_is_that_of_a_search_over_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        bad, good = rng.random(12) ** 0.5, rng.random(30) ** 2
        curve = Curve(counted(bad, good))
        threshold = float(curve.thresholds[curve.cheapest(COSTS)])
        each = np.concatenate([bad, good])
        best = min(cost_at(t, bad, good) for t in [*each, *(each + 1e-9), 0, 2])
        assert cost_at(threshold, bad, good) == pytest.approx(best)


@pytest.mark.parametrize("defects", [1, 3, 7, 24, 997])
def test_an_advised_recall_asks_for_as_many_defects_as_are_caught_there(defects: int) -> None:
    curve = Curve(counted(np.linspace(0.1, 0.9, defects), GOOD))
    for place, threshold in enumerate(curve.thresholds):
        caught = int((np.linspace(0.1, 0.9, defects) >= threshold).sum())
        recall = curve.recall_for(place)
        assert (recall == "") == (caught == 0)
        if recall:  # the fewest that make at least the share
            assert next(n for n in range(defects + 1) if n / defects >= float(recall) - 1e-9 / defects) == caught


def arms(threshold: float = 0.5) -> dict[str, Operating]:
    return {
        "one": Operating(threshold, Curve(counted(BAD, GOOD)), Curve(counted(BAD, GOOD))),
        "two": Operating(0.85, Curve(counted(BAD - 0.05, GOOD)), Curve(counted(BAD - 0.1, GOOD))),
    }


def test_the_charts_rows_are_what_is_drawn_and_mark_the_operating_point() -> None:
    chart = cost_chart(arms(), COLOURS, COSTS)
    assert chart is not None
    rows = list(csv.DictReader(io.StringIO(chart.files()["cost-over-threshold.csv"].decode())))
    assert {(row["arm"], row["split"]) for row in rows} == {(a, s) for a in COLOURS for s in ("validation", "test")}
    own = [row for row in rows if (row["arm"], row["split"]) == ("one", "test")]
    assert [float(row["cost"]) for row in own] == pytest.approx([cost_at(float(row["threshold up to"])) for row in own])
    (chosen,) = [row for row in own if row["operating point"]]
    assert (float(chosen["operating point"]), float(chosen["threshold up to"])) == (0.5, 0.7)
    on_test = chart.figure.axes[1]
    assert list(on_test.lines[0].get_ydata())[1:] == pytest.approx([float(row["cost"]) for row in own])
    dot = on_test.containers[0].lines[0]
    assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([0.5], [pytest.approx(cost_at(0.5))])


def test_missed_defects_and_false_alarms_stand_beside_each_other_with_their_bands() -> None:
    chart = mistakes_chart(arms(), COLOURS)
    assert chart is not None
    first = chart.rows[chart.figure.axes[0].lines[0].get_ydata().tolist()[1:].index(25.0)]
    assert (first["arm"], first["missed"], first["missed, low"] < 0.25 < first["missed, high"]) == ("one", 0.25, True)
    for axis in chart.figure.axes:
        band = axis.collections[0].get_paths()[0].vertices[:, 1]
        assert 0 <= band.min() <= band.max() <= 100


def test_it_is_said_where_the_line_would_cost_least_and_how_to_go_there() -> None:
    passing, here, other = cost_sentences(arms(), COSTS, {"one": "run.a/1", "two": "run.b/1"}, "run")
    # Of 1,000 parts 20 are defective: all pass at 50 each; 980 are good.
    assert passing == "Passing every part would cost 1,000.0, rejecting every one 980.0."
    # At 0.5 a quarter of the defects pass (250) and a fifth of the good parts are rejected (196).
    assert here.startswith("“one” rejects from a threshold of 0.5 on, which costs 446.0 [")
    assert "On validation images it would cost least from 0.3 on, 392.0 in place of 446.0" in here  # 2 of 5 rejected
    assert here.endswith("To go there: defectory classifier calibrate run.a/1 --dataset run --target recall=1")
    assert other.startswith("“two” rejects from a threshold of 0.85 on, which costs ")


def test_where_no_threshold_costs_less_nothing_is_advised() -> None:
    text = list(cost_sentences({"one": arms(0.25)["one"]}, COSTS, {"one": "run.a/1"}, "run"))[1]
    assert text.endswith("on test images; on validation images no threshold costs less.")
    useless = Curve(counted(np.array([0.3, 0.7]), np.array([0.4, 0.8])))
    cheap = CostSettings(escape=0.001, overkill=100, defect_share=0.01)
    text = list(cost_sentences({"one": Operating(0.5, useless, useless)}, cheap, {"one": "run.a/1"}, "run"))[1]
    assert text.endswith("it would cost least if every part passed: it is of no use where a mistake costs so much.")


def test_what_earlier_versions_wrote_has_no_curves() -> None:
    written = {"labels": [], "cycles": [], "images": [], "operating_point": {"good": "good", "threshold": 0.5}}
    metrics = Metrics.model_validate({"cycles": [], "curves": {"validation": curves()}})
    assert operating_of(metrics, Evaluation.model_validate(written)) is None
    today = Evaluation.model_validate({**written, "curves": curves()})
    assert operating_of(metrics, today) is not None
    without_validation = operating_of(Metrics(cycles=[]), today)
    assert without_validation is not None
    assert without_validation.validation is None
    assert mistakes_chart({}, {}) is None
    assert cost_chart({}, {}, COSTS) is None
