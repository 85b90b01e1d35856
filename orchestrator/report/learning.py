"""How generators learned, and how near what they made comes to photographs: charts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import NotFound
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.outputs import Generators
from orchestrator.report.charts import Chart, Row
from orchestrator.report.documents import GeneratorHistory, NoveltyLimits, Snapshot, read_document

BINS = 40  # over the correlations from 0 to 1


def histories_of(store: ObjectStore, generators: Generators) -> dict[str, list[Snapshot]]:
    """What was measured of every generator while it trained: its labels, joined -> snapshots, the earliest first."""
    labels: dict[str, list[str]] = {}
    histories = {}
    for label, generator in generators.trained.items():
        try:
            history = read_document(store, generator.card_uri, GeneratorHistory).history if generator.card_uri else []
        except NotFound:
            continue  # it was deleted
        labels.setdefault(generator.full_name, []).append(label)
        histories[generator.full_name] = history
    return {", ".join(of): histories[name] for name, of in labels.items() if histories[name]}


def kid_chart(histories: Mapping[str, Sequence[Snapshot]]) -> Chart | None:
    """KID over the training with its 95% interval, a line a generator; None where none was measured."""
    drawn = _over_the_training(histories, "kid", "KID on held-out photographs")
    return drawn and Chart("kid", "KID while the generators trained", *drawn)


def coverage_chart(histories: Mapping[str, Sequence[Snapshot]]) -> Chart | None:
    """Share of the held-out photographs that have a synthetic image like them, as `kid_chart`."""
    drawn = _over_the_training(histories, "coverage", "coverage of held-out photographs")
    if drawn is None:
        return None
    drawn[0].axes[0].set_ylim(0, 1)
    return Chart("coverage", "Coverage while the generators trained", *drawn)


def _over_the_training(
    histories: Mapping[str, Sequence[Snapshot]], name: Literal["kid", "coverage"], up: str
) -> tuple[Figure, list[Row]] | None:
    """A figure of snapshots with its 95% interval, a line a generator, and the numbers; None: none was measured."""
    rows: list[Row] = [
        {
            "generator": title, "kimg": one.kimg, name: getattr(one, name), "low": getattr(one, f"{name}_low"),
            "high": getattr(one, f"{name}_high"),
        }
        for title, history in histories.items() for one in history if getattr(one, name) is not None
    ]  # fmt: skip
    if not rows:
        return None
    figure, axis = _drawn("thousands of images shown (kimg)", up)
    for title in dict.fromkeys(row["generator"] for row in rows):
        own = [[row[x] for x in ("kimg", name, "low", "high")] for row in rows if row["generator"] == title]
        kimg, value, low, high = np.array(own, dtype=float).T  # an absent end is nan, and has no band
        line = axis.plot(kimg, value, marker="o", markersize=3, label=title, clip_on=False)[0]
        axis.fill_between(kimg, low, high, alpha=0.2, linewidth=0, color=line.get_color())
    axis.legend(frameon=False)
    return figure, rows


def novelty_chart(judged: Mapping[str, Sequence[ManifestLine]], limits: Mapping[str, NoveltyLimits]) -> Chart | None:
    """How alike every synthetic image and the photograph most like it are; None where nothing was compared.

    Args:
        judged: label -> synthetic images with what the filter knows. limits: label -> what counts as a copy.
    """
    rows = list(_pairs(judged, limits))
    if not rows:
        return None
    figure, axis = _drawn("correlation in pixels with the photograph most alike", "synthetic images, %")
    for label in dict.fromkeys(row["label"] for row in rows):
        alike = [max(0.0, float(str(row["correlation"]))) for row in rows if row["label"] == label]
        weights = [100 / len(alike)] * len(alike)
        axis.hist(alike, BINS, range=(0, 1), weights=weights, histtype="step", label=f"{label} ({len(alike)})")
    for limit in {one.copy_correlation for one in limits.values()}:
        axis.axvline(limit, color="grey", linestyle=":", linewidth=1, label="from here on: a copy")
    axis.set(xlim=(0, 1))
    axis.legend(frameon=False)
    return Chart("novelty", "How alike synthetic images and photographs are", figure, rows)


def _pairs(judged: Mapping[str, Sequence[ManifestLine]], limits: Mapping[str, NoveltyLimits]) -> Iterator[Row]:
    for label, lines in judged.items():
        for line in lines:
            judgement = line.judgement
            if judgement.nearest_real_distance is not None:
                yield {
                    "label": label, "sha256": line.file.sha256, "photograph": judgement.nearest_real,
                    "correlation": 1 - judgement.nearest_real_distance,
                    "copy from": limits[label].copy_correlation if label in limits else None,
                    "verdict": judgement.verdict,
                }  # fmt: skip


def _drawn(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    axis.set(xlabel=across, ylabel=up)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis
