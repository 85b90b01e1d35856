"""Pictures of a report: curves with bands, and sheets of images."""

import base64
import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image, ImageOps

from defectory.imaging import FULL_DEPTH, decode, encode_png
from defectory.imaging.sheet import contact_sheet
from defectory.lettering import families
from defectory.statistics import Bounds, bounds_of, mean_interval
from orchestrator.report.documents import Metrics, ThresholdCurve

METRIC_NAMES = {"loss": "loss (focal)", "accuracy": "accuracy", "f1": "F1 (macro)"}
TILE_PX = 96
GAP_PX = 4


def data_uri(data: bytes, kind: str = "image/png") -> str:
    """Bytes as a data: URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def reduced(data: bytes, side_px: int, bits: int = FULL_DEPTH) -> bytes:
    """A picture's file as PNG, neither side longer than `side_px`: a page that holds it can be sent.

    Raises:
        InvalidInput: it cannot be read.
    """
    image = decode(data, needed_px=side_px, bits=bits)
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return encode_png(image)


def curves(arms: Mapping[str, Metrics], colours: Mapping[str, str], split: str) -> bytes:
    """Loss, accuracy and F1 against the epoch, as SVG: mean and 95% band over cycles, or few cycles' own lines.

    Args:
        arms: title -> how it trained. colours: title -> #rrggbb. split: "validation" or "test".
    """
    return svg(curves_figure(arms, colours, split))


def curves_figure(arms: Mapping[str, Metrics], colours: Mapping[str, str], split: str) -> Figure:
    """The same before it is drawn."""
    figure = Figure(figsize=(11, 3.1), layout="constrained")
    FigureCanvasSVG(figure)
    for axis, (metric, title) in zip(figure.subplots(1, 3), METRIC_NAMES.items(), strict=True):
        for name, metrics in arms.items():
            values = _by_epoch(metrics, split, metric)
            epochs = np.arange(1, values.shape[1] + 1)
            band = mean_interval(values, bounds_of(metric))
            lines = values if band is None else values.mean(axis=0, keepdims=True)
            for number, line in enumerate(lines):
                axis.plot(epochs, line, label="" if number else name, color=colours[name], clip_on=False)
            if band is not None:
                axis.fill_between(epochs, *band, alpha=0.2, linewidth=0, color=colours[name])
        axis.set(title=title, xlabel="epoch", ylim=_within(axis.get_ylim(), bounds_of(metric)))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure


def _within(limits: tuple[float, float], bounds: Bounds) -> tuple[float, float]:
    """An axis' limits, no farther than its figures can lie."""
    return max(limits[0], bounds[0]), min(limits[1], bounds[1])


def _by_epoch(metrics: Metrics, split: str, metric: str) -> np.ndarray:
    """(cycles, epochs) of a metric."""
    measured = [[epoch.of(split) for epoch in cycle.epochs] for cycle in metrics.cycles]
    return np.array([[figures[metric] for figures in cycle if figures is not None] for cycle in measured])


def threshold_chart(curve: ThresholdCurve, threshold: float) -> bytes:
    """Share of images kept against the confidence threshold, one line a label, as SVG.

    Real images that no judge was trained on are drawn dashed: what a threshold costs among images as they should be.
    """
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    for label, kept in curve.kept.items():
        if kept:
            line = axis.plot(curve.thresholds, np.array(kept) * 100, label=f"{label}, synthetic", clip_on=False)[0]
            if real := curve.real.get(label):
                axis.plot(
                    curve.thresholds, np.array(real) * 100, label=f"{label}, real (validation)", linestyle="--",
                    color=line.get_color(), alpha=0.7, clip_on=False,
                )  # fmt: skip
    axis.axvline(threshold, color="grey", linestyle=":", linewidth=1)
    axis.set(xlabel="confidence threshold", ylabel="kept, %", xlim=(0, 1), ylim=(0, 100))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    return svg(figure)


def sheet(images: Sequence[bytes], columns: int = 8) -> bytes:
    """Images, at least one, side by side as one PNG."""
    tiles = []
    for data in images:
        with Image.open(io.BytesIO(data)) as image:
            whole = ImageOps.contain(image.convert("RGB"), (TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
            tiles.append(np.asarray(whole))
    sheet_ = contact_sheet(tiles, min(columns, len(tiles)), tile_px=(TILE_PX, TILE_PX), gap_px=GAP_PX, ground=255)
    buffer = io.BytesIO()
    Image.fromarray(sheet_).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def png(figure: Figure, dpi: int = 150) -> bytes:
    """A figure as a picture of dots, for a presentation."""
    _lettered(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """A figure as SVG, the same bytes each time."""
    _lettered(figure)
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "defectory", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _lettered(figure: Figure) -> None:
    """See that every text has a font with its letters."""
    for text in figure.findobj(Text):
        text.set_fontfamily(families(text.get_text()))
