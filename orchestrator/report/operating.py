"""Where the line between good and defective is drawn: both mistakes, and what they cost, over the threshold."""

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from defectory.statistics import rate_interval, weighted_sum_interval
from orchestrator.pipeline.cost_settings import PER_PARTS, CostSettings
from orchestrator.report.charts import Chart, Row
from orchestrator.report.documents import Evaluation, Metrics, OperatingCurve

RECALL_DIGITS = 6  # of a target that is advised: never above what was measured, or it would ask for one defect more


@dataclass(frozen=True)
class Estimates:
    """A figure at every threshold, with its 95% interval, (T,) each."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, place: int) -> tuple[float, float, float]:
        """(value, low, high) at one of them."""
        return float(self.value[place]), float(self.low[place]), float(self.high[place])


class Curve:
    """An arm's mistakes on one split, by the threshold."""

    def __init__(self, counted: OperatingCurve) -> None:
        self.thresholds = np.array(counted.thresholds)
        self._counted = counted

    @cached_property
    def missed(self) -> Estimates:
        """Share of the defects that pass."""
        return _rates(self._counted.missed, self._counted.defects)

    @cached_property
    def false_alarms(self) -> Estimates:
        """Share of the good parts that are rejected."""
        return _rates(self._counted.false_alarms, self._counted.good)

    def cost(self, costs: CostSettings) -> Estimates:
        """Cost of PER_PARTS parts as the line has them, whatever share of defects the split has."""
        both, weights = (self.missed, self.false_alarms), np.array(costs.weights)
        rates = np.array([one.value for one in both])
        ends = np.array([[getattr(one, end) for one in both] for end in ("low", "high")])
        return Estimates(np.tensordot(weights, rates, axes=1), *weighted_sum_interval(weights, rates, ends))

    def place(self, threshold: float) -> int:
        """Which of the thresholds a part is decided by that is decided by `threshold`."""
        return min(int(np.searchsorted(self.thresholds, threshold)), len(self.thresholds) - 1)

    def cheapest(self, costs: CostSettings) -> int:
        """Place of the least cost; of equal ones, the one that rejects the fewest good parts."""
        cost = self.cost(costs).value
        return int(np.flatnonzero(np.isclose(cost, cost.min(), rtol=1e-12))[-1])

    def recall_for(self, place: int) -> str:
        """The share of defects caught there as a target that asks for no defect more; empty where none is."""
        caught = self._counted.defects - self._counted.missed[place]
        scale = 10**RECALL_DIGITS
        return f"{math.floor(caught * scale / self._counted.defects) / scale:g}" if caught else ""


@dataclass(frozen=True)
class Operating:
    """An arm's operating point, which was chosen on validation, and its curves on both splits."""

    threshold: float
    validation: Curve | None
    test: Curve


def operating_of(metrics: Metrics, evaluation: Evaluation) -> Operating | None:
    """None where no part is good by its label, or earlier versions counted nothing by the threshold."""
    point, on_test, on_validation = evaluation.operating_point, evaluation.curves, metrics.curves.get("validation")
    if point is None or point.threshold is None or on_test is None or on_test.operating is None:
        return None
    validation = on_validation.operating if on_validation else None
    return Operating(point.threshold, Curve(validation) if validation else None, Curve(on_test.operating))


def mistakes_chart(arms: Mapping[str, Operating], colours: Mapping[str, str]) -> Chart | None:
    """Missed defects and false alarms on test images over the threshold, a line an arm; None without arms."""
    if not arms:
        return None
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasSVG(figure)
    kinds = {"missed defects, %": "missed", "false alarms, %": "false_alarms"}
    for axis, (title, kind) in zip(figure.subplots(1, 2), kinds.items(), strict=True):
        for name, arm in arms.items():
            _draw(axis, arm.test, getattr(arm.test, kind), 100, arm.threshold, colours[name], name)
        _finish(axis, title, (0, 100))
    figure.axes[0].legend(frameon=False)
    rows = list(_rows(arms, ("test",), lambda curve: {"missed": curve.missed, "false alarms": curve.false_alarms}))
    return Chart("mistakes-over-threshold", "Missed defects and false alarms over the threshold", figure, rows)


def cost_chart(arms: Mapping[str, Operating], colours: Mapping[str, str], costs: CostSettings) -> Chart | None:
    """What PER_PARTS parts cost over the threshold, on validation and on test images; None without arms."""
    if not arms:
        return None
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasSVG(figure)
    splits = ("validation", "test")
    for axis, split in zip(figure.subplots(1, 2, sharey=True), splits, strict=True):
        for name, arm in arms.items():
            curve = _of(arm, split)
            if curve is not None:
                _draw(axis, curve, curve.cost(costs), 1, arm.threshold, colours[name], name)
        _finish(axis, f"cost of {PER_PARTS:,} parts, {split}", None)
    figure.axes[1].legend(frameon=False)
    rows = list(_rows(arms, splits, lambda curve: {"cost": curve.cost(costs)}))
    return Chart("cost-over-threshold", f"Cost of {PER_PARTS:,} parts over the threshold", figure, rows)


def cost_sentences(
    arms: Mapping[str, Operating], costs: CostSettings, models: Mapping[str, str], dataset: str
) -> Iterator[str]:
    """What every arm's operating point costs, where it would cost least on validation, and how to go there.

    Args:
        models: arm's title -> "name/version". dataset: that was trained on.
    """
    passing, rejecting = costs.weights
    yield f"Passing every part would cost {passing:,.1f}, rejecting every one {rejecting:,.1f}."
    for title, arm in arms.items():
        on_test = arm.test.cost(costs)
        chosen = _in_words(on_test, arm.test.place(arm.threshold))
        said = f"“{title}” rejects from a threshold of {arm.threshold:.3g} on, which costs {chosen}"
        if arm.validation is None:
            yield f"{said} on test images."
            continue
        on_validation, least = arm.validation.cost(costs), arm.validation.cheapest(costs)
        now = arm.validation.place(arm.threshold)
        if np.isclose(on_validation.value[now], on_validation.value[least]):
            yield f"{said} on test images; on validation images no threshold costs less."
            continue
        threshold, recall = float(arm.validation.thresholds[least]), arm.validation.recall_for(least)
        there = f"{said} on test images. On validation images it would cost least"
        if not recall:
            yield f"{there} if every part passed: it is of no use where a mistake costs so much."
            continue
        command = ["classifier", "calibrate", models[title], "--dataset", dataset, "--target", f"recall={recall}"]
        yield (
            f"{there} from {threshold:.3g} on, {on_validation.value[least]:,.1f} in place of "
            f"{on_validation.value[now]:,.1f}; on test images that is {_in_words(on_test, arm.test.place(threshold))}. "
            f"To go there: defectory {shlex.join(command)}"
        )


def _rates(counts: Sequence[int], of: int) -> Estimates:
    ends = {count: rate_interval(count, of) for count in set(counts)}
    low, high = np.array([ends[count] for count in counts]).T
    return Estimates(np.array(counts) / of, low, high)


def _of(arm: Operating, split: str) -> Curve | None:
    return arm.test if split == "test" else arm.validation


def _draw(axis: Axes, curve: Curve, figures: Estimates, scale: float, threshold: float, colour: str, name: str) -> None:
    """A line with its band, and the operating point on it with its interval."""
    across = np.concatenate([[0.0], np.minimum(curve.thresholds, 1.0)])  # beyond 1 there is no probability
    value, low, high = (scale * np.concatenate([one[:1], one]) for one in (figures.value, figures.low, figures.high))
    axis.plot(across, value, drawstyle="steps-pre", color=colour, label=name)
    axis.fill_between(across, low, high, step="pre", alpha=0.15, linewidth=0, color=colour)
    chosen, lower, upper = (scale * one for one in figures.at(curve.place(threshold)))
    axis.errorbar(
        min(threshold, 1.0), chosen, [[max(0.0, chosen - lower)], [max(0.0, upper - chosen)]], fmt="o", color=colour,
        capsize=3, markersize=5, clip_on=False, zorder=3,
    )  # fmt: skip


def _finish(axis: Axes, title: str, bounds: tuple[float, float] | None) -> None:
    axis.set(title=title, xlabel="threshold of the probability of a defect", xlim=(0, 1))
    axis.set_ylim(*(bounds or (0, None)))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def _rows(
    arms: Mapping[str, Operating], splits: Sequence[str], figures_of: Callable[[Curve], Mapping[str, Estimates]]
) -> Iterator[Row]:
    """A row a threshold: up to it, and from the one before on, the figures are these."""
    for title, arm in arms.items():
        for split in splits:
            curve = _of(arm, split)
            if curve is None:
                continue
            figures, chosen = figures_of(curve), curve.place(arm.threshold)
            for place, threshold in enumerate(curve.thresholds):
                row: dict[str, object] = {"arm": title, "split": split, "threshold up to": float(threshold)}
                for name, one in figures.items():
                    row |= dict(zip((name, f"{name}, low", f"{name}, high"), one.at(place), strict=True))
                yield {**row, "operating point": arm.threshold if place == chosen else None}


def _in_words(figures: Estimates, place: int) -> str:
    value, low, high = figures.at(place)
    return f"{value:,.1f} [{low:,.1f}, {high:,.1f}]"
