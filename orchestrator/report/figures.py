"""Pictures of a report: curves with bands, and sheets of images."""

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from defectory.imaging import FULL_DEPTH, decode, encode_png
from defectory.imaging.sheet import contact_sheet
from defectory.statistics import Bounds, bounds_of, mean_interval
from orchestrator.report.charts import Chart, Row
from orchestrator.report.documents import Metrics, ThresholdCurve

METRIC_NAMES = {"loss": "loss", "accuracy": "accuracy", "f1": "macro-F1"}
TILE_PX = 96
GAP_PX = 4


def reduced(data: bytes, side_px: int, bits: int = FULL_DEPTH) -> bytes:
    """A picture's file as PNG, neither side longer than `side_px`: a page that holds it can be sent.

    Raises:
        InvalidInput: it cannot be read.
    """
    image = decode(data, needed_px=side_px, bits=bits)
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return encode_png(image)


def jpeg(data: bytes, side_px: int) -> bytes:
    """A picture that `reduced` made as JPEG, neither side longer than `side_px`: a fifth of its bytes, or fewer."""
    with Image.open(io.BytesIO(data)) as image:
        small = image.convert("L" if image.mode == "L" else "RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=90, subsampling=0)
    return buffer.getvalue()


def curves(arms: Mapping[str, Metrics], colours: Mapping[str, str], split: str) -> Chart:
    """Loss, accuracy and F1 against the epoch: mean and 95% band over cycles, or few cycles' own lines.

    Args:
        arms: title -> how it trained. colours: title -> #rrggbb. split: "validation" or "test".
    """
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
    title = f"Loss, accuracy and F1 per epoch on {split} images"
    return Chart(f"curves-{split}", title, figure, list(_curve_rows(arms, split)))


def _curve_rows(arms: Mapping[str, Metrics], split: str) -> Iterator[Row]:
    for arm, metrics in arms.items():
        for cycle, trained in enumerate(metrics.cycles, start=1):
            for number, epoch in enumerate(trained.epochs, start=1):
                measured = epoch.of(split) or {}
                yield {"arm": arm, "cycle": cycle, "epoch": number, **{m: measured.get(m) for m in METRIC_NAMES}}


def _within(limits: tuple[float, float], bounds: Bounds) -> tuple[float, float]:
    """An axis' limits, no farther than its figures can lie."""
    return max(limits[0], bounds[0]), min(limits[1], bounds[1])


def _by_epoch(metrics: Metrics, split: str, metric: str) -> np.ndarray:
    """(cycles, epochs) of a metric."""
    measured = [[epoch.of(split) for epoch in cycle.epochs] for cycle in metrics.cycles]
    return np.array([[figures[metric] for figures in cycle if figures is not None] for cycle in measured])


def threshold_chart(name: str, label: str, curve: ThresholdCurve, threshold: float) -> Chart:
    """Share of images kept against the confidence threshold, one line a label.

    Real images that no judge was trained on are drawn dashed: what a threshold costs among images as they should be.

    Args:
        name: of the chart's files. label: whose images were judged.
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
    return Chart(name, f"Images kept against the threshold, {label}", figure, list(_threshold_rows(curve)))


def _threshold_rows(curve: ThresholdCurve) -> Iterator[Row]:
    for label, kept in curve.kept.items():
        if kept:
            real = curve.real.get(label) or repeat(None)
            for threshold, of_synthetic, of_real in zip(curve.thresholds, kept, real, strict=False):
                yield {"label": label, "threshold": threshold, "synthetic kept": of_synthetic, "real kept": of_real}


def sheet(images: Sequence[bytes], columns: int = 8, tile_px: int = TILE_PX) -> bytes:
    """Images, at least one, side by side as one PNG, each as large as fits into a square of `tile_px`."""
    tiles = []
    for data in images:
        with Image.open(io.BytesIO(data)) as image:
            whole = ImageOps.contain(image.convert("RGB"), (tile_px, tile_px), Image.Resampling.LANCZOS)
            tiles.append(np.asarray(whole))
    sheet_ = contact_sheet(tiles, min(columns, len(tiles)), tile_px=(tile_px, tile_px), gap_px=GAP_PX, ground=255)
    buffer = io.BytesIO()
    Image.fromarray(sheet_).save(buffer, "PNG")
    return buffer.getvalue()
