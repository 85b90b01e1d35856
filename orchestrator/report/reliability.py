"""Reliability diagrams: how often an arm is right, by how sure it is, on images that nothing was fitted on."""

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from orchestrator.report.charts import Chart, Row, file_name
from orchestrator.report.content import ArmContent
from orchestrator.report.documents import Bin

ENOUGH = 10  # images, from which a bin's bar is drawn in full colour: an accuracy of fewer is hardly known
PALEST = 0.15
INK = "#1c2430"


def reliability_chart(arm: ArmContent, colour: str) -> Chart | None:
    """An arm's accuracy against its confidence on test images, as trained and with its temperature.

    None where the evaluation holds no bins: an earlier version wrote it.
    """
    if arm.evaluation.curves is None:
        return None
    reliability = arm.evaluation.curves.reliability
    panels = {"as trained": reliability.as_trained, "with temperature": reliability.calibrated}
    figure = Figure(figsize=(8, 3.9), layout="constrained")
    FigureCanvasSVG(figure)
    for axis, (title, bins) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        _draw(axis, bins, colour)
        axis.set(xlabel="confidence, %", xlim=(0, 100), ylim=(0, 100))
        axis.set_title(title, pad=18)
    figure.axes[0].set_ylabel("right, %")
    title = f"Share right against confidence on test images, {arm.title}"
    return Chart(file_name("reliability", arm.settings.name), title, figure, list(_rows(panels)))


def _draw(axis: Axes, bins: Sequence[Bin], colour: str) -> None:
    """Bars with intervals, pale where images are few; above each, of how many images it is."""
    axis.plot((0, 100), (0, 100), color="grey", linestyle="--", linewidth=1)
    for one in bins:
        left, width, alpha = 100 * one.low, 100 * (one.high - one.low), max(PALEST, min(1.0, one.images / ENOUGH))
        middle = left + width / 2
        axis.bar(left, 100 * one.accuracy, width, align="edge", color=colour, alpha=alpha, edgecolor="white")
        axis.vlines(middle, 100 * one.accuracy_low, 100 * one.accuracy_high, color=INK, linewidth=1)
        axis.annotate(
            str(one.images), (middle, 100), (0, 3), textcoords="offset points", ha="center", fontsize=7,
            annotation_clip=False,
        )  # fmt: skip
    axis.spines[["top", "right"]].set_visible(False)


def _rows(panels: Mapping[str, Sequence[Bin]]) -> Iterator[Row]:
    for probabilities, bins in panels.items():
        for one in bins:
            yield {
                "probabilities": probabilities, "from": one.low, "to": one.high, "images": one.images,
                "mean confidence": one.confidence, "right": one.right, "share right": one.accuracy,
                "low": one.accuracy_low, "high": one.accuracy_high,
            }  # fmt: skip
