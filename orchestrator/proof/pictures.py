"""Charts of an experiment's report: gains by fold, cost, and what was caught of every kind of defect."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from orchestrator.proof.judgement import Interval, Proof
from orchestrator.report.charts import Chart, Row

ARM_INCHES = 0.42  # of height, for an arm
REFERENCE, BETTER, WORSE = "#5b6675", "#1a7f37", "#c02525"


def gains(proof: Proof, reference: str, primary: str) -> Chart:
    """Every arm's gain over the reference: its interval as a bar, its folds as dots."""
    names = list(proof.differences)[::-1]
    figure, axis = _of_rows(len(names))
    for row, name in enumerate(names):
        difference = proof.differences[name]
        colour = _colour(difference.gain.low, difference.gain.high)
        _bar(axis, row, difference.gain, 100, colour)
        folds = 100 * np.array(difference.by_fold)
        axis.plot(folds, np.full(len(folds), row + 0.18), "o", markersize=4, color=colour, alpha=0.5, linewidth=0)
    axis.axvline(0, color=REFERENCE, linestyle=":", linewidth=1)
    axis.set(xlabel=f"{primary}, points more than {reference}; dots: single folds", yticks=range(len(names)))
    axis.set_yticklabels(names)
    rows = [
        {"arm": name, **_points(x.gain), **{f"fold {n}": 100 * gain for n, gain in enumerate(x.by_fold, start=1)}}
        for name, x in proof.differences.items()
    ]
    return Chart("gains", "What each arm gains", figure, rows)


def dumbbells(proof: Proof, reference: str, primary: str) -> Chart:
    """Every fold's pair: the reference's score and the arm's, one panel an arm."""
    names = list(proof.differences)
    folds = len(proof.by_fold[reference])
    figure = Figure(figsize=(max(4.0, 2.6 * len(names)), 0.34 * folds + 1.3), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
    rows = np.arange(folds)[::-1]
    for axis, name in zip(panels, names, strict=True):
        first, second = 100 * np.array(proof.by_fold[reference]), 100 * np.array(proof.by_fold[name])
        axis.hlines(rows, first, second, color="#c3cad3", linewidth=3)
        axis.plot(first, rows, "o", color=REFERENCE, label=reference)
        axis.scatter(second, rows, color=[_colour(gain, gain) for gain in second - first], zorder=3)
        axis.set(title=name, xlabel=primary, yticks=rows)
        axis.set_yticklabels([f"fold {number + 1}" for number in range(folds)])
        _plain(axis)
    by_fold = [
        {"arm": arm, "fold": fold, "score": value}
        for arm, values in proof.by_fold.items()
        for fold, value in enumerate(values, start=1)
    ]
    return Chart("folds", "Fold by fold", figure, by_fold)


def costs(proof: Proof, score: str) -> Chart:
    """What a thousand parts cost with every arm, with its interval.

    Args:
        score: the cost's name among the scores.
    """
    names = list(proof.scores)[::-1]
    figure, axis = _of_rows(len(names))
    for row, name in enumerate(names):
        _bar(axis, row, proof.scores[name][score], 1, REFERENCE)
    axis.set(xlabel=score, yticks=range(len(names)))
    axis.set_yticklabels(names)
    rows = [{"arm": name, **asdict(own[score])} for name, own in proof.scores.items()]
    return Chart("cost", "What 1,000 parts cost", figure, rows)


def caught(proof: Proof, kinds: Mapping[str, str]) -> Chart:
    """Share of every kind's photographs that each arm catches.

    Args:
        kinds: kind -> its score's name.
    """
    names = list(proof.scores)
    figure, axis = _of_rows(len(kinds) * (len(names) + 1) // 2)
    height = 0.8 / len(names)
    for number, name in enumerate(names):
        for row, score in enumerate(list(kinds.values())[::-1]):
            value = proof.scores[name][score].value
            at = row + 0.4 - (number + 0.5) * height
            axis.barh(at, 100 * value, height, color=_hue(number), label="" if row else name)
    axis.set(xlabel="caught, %", yticks=range(len(kinds)), xlim=(0, 100))
    axis.set_yticklabels(list(kinds)[::-1])
    figure.legend(loc="outside upper center", ncols=min(4, len(names)), frameon=False)
    rows = [
        {"kind": kind, "arm": name, **_points(own[score])}
        for kind, score in kinds.items()
        for name, own in proof.scores.items()
    ]
    return Chart("kinds", "What is caught of every kind", figure, rows)


def share_curve(name: str, proof: Proof, arms: Mapping[float, str], reference: str, primary: str) -> Chart:
    """What arms gain that differ in their least share of photographs alone; with photographs only that is nothing.

    Args:
        name: of the chart's files. arms: least share of photographs -> name of an arm.
    """
    figure, axis = _of_rows(6)
    shares = sorted(arms)
    gains = [proof.differences[arms[share]].gain for share in shares]
    percent = [100 * share for share in shares]
    axis.fill_between(
        percent, [100 * gain.low for gain in gains], [100 * gain.high for gain in gains], color=BETTER, alpha=0.12
    )
    axis.plot(percent, [100 * gain.value for gain in gains], "o-", color=BETTER)
    if 1.0 not in arms:
        axis.plot([percent[-1], 100], [100 * gains[-1].value, 0], ":", color=REFERENCE)
        axis.plot(100, 0, "o", color=REFERENCE)
    axis.axhline(0, color=REFERENCE, linestyle=":", linewidth=1)
    axis.set(
        xlabel="least share of photographs among a label's draws, %", ylabel=f"{primary}, points more than {reference}"
    )
    rows: list[Row] = [
        {"share of photographs": share, "arm": arms[share], **_points(gain)}
        for share, gain in zip(shares, gains, strict=True)
    ]
    title = f"The share of photographs: {', '.join(arms[share] for share in shares)}"
    return Chart(name, title, figure, rows)


def _points(figure: Interval) -> dict[str, float]:
    """In percentage points, as it is drawn."""
    return {name: 100 * value for name, value in asdict(figure).items()}


def learning_curve(proof: Proof, primary: str, few: str) -> Chart:
    """What more photographs gain, and where the arms' gains lie on that curve: so many photographs they are worth.

    Args:
        few: name of the arm on the fewest.
    """
    figure, axis = _of_rows(7)
    at = sorted(proof.curve)
    gains = [proof.curve[photographs] for photographs in at]
    axis.fill_between(at, [100 * x.low for x in gains], [100 * x.high for x in gains], color=REFERENCE, alpha=0.15)
    axis.plot(at, [100 * x.value for x in gains], "o-", color=REFERENCE, label=f"photographs, more than {few}")
    for number, (name, worth) in enumerate(proof.worth.items()):
        gain, colour = 100 * proof.differences[name].gain.value, _hue(number)
        axis.hlines(gain, at[0] + worth.low, at[0] + worth.high, color=colour, linewidth=2)
        axis.plot(at[0] + worth.value, gain, "D", color=colour, label=name)
    axis.set(xscale="log", xlabel="training photographs", ylabel=f"{primary}, points gained", xticks=at)
    axis.set_xticklabels([f"{photographs:.0f}" for photographs in at])
    axis.minorticks_off()
    axis.legend(loc="upper left", frameon=False)
    rows = [{"photographs": photographs, **asdict(gain)} for photographs, gain in proof.curve.items()]
    return Chart("learning_curve", "What the arms are worth in real photographs", figure, rows)


def _hue(number: int) -> tuple[float, float, float, float]:
    """An arm's own colour, by its place: as many as an experiment can have arms (Matplotlib's `tab20`)."""
    red, green, blue, alpha = colormaps["tab20"](number % 20)
    return red, green, blue, alpha


def _colour(low: float, high: float) -> str:
    """Of a gain that lies between the two."""
    return BETTER if low > 0 else WORSE if high < 0 else REFERENCE


def _of_rows(rows: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 1.1 + ARM_INCHES * rows), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    _plain(axis)
    return figure, axis


def _plain(axis: Axes) -> None:
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def _bar(axis: Axes, row: int, figure: Interval, scale: float, colour: str) -> None:
    axis.hlines(row, scale * figure.low, scale * figure.high, color=colour, linewidth=2)
    axis.plot(scale * figure.value, row, "o", color=colour)
