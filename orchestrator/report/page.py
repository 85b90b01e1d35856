"""Builds report.html from a run's content."""

import io
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image, UnidentifiedImageError

from defectory.datasets.layouts.summary import in_words, warnings
from defectory.errors import DefectoryError
from defectory.storage.store import ObjectStore
from orchestrator.report.comparison import METRICS, Estimate
from orchestrator.report.confusion import escape_rows, label_rows
from orchestrator.report.content import REASONS, RunContent, read_run, some_images
from orchestrator.report.figures import curves, data_uri, sheet, threshold_chart
from orchestrator.report.heat import heat_sentence, heat_table, sanity_sentence

# Giedra & Vdoviak (2024), table of results: best cycle at its best epoch, both chosen on the test set.
PAPER = {"baseline": {"f1": "81.59%", "accuracy": "81.88%"}, "expanded": {"f1": "94.99%", "accuracy": "95.05%"}}
PANEL_IMAGES = 8
STARTS = {
    "imagenet": "ImageNet weights",
    "starter": "the starter classifier, which learned from drawn parts and surfaces",
    "random": "random weights",
}
SVG = "image/svg+xml"


def build_report(store: ObjectStore, run: str) -> tuple[bytes, dict[str, Any]]:
    """(report.html, summary) of a run.

    The summary holds outcome, verdict, both arms' metrics with intervals, the difference, and the counts by reason.

    Raises:
        NotFound, FailedPrecondition: no such run, or one that has not come far enough.
    """
    content = read_run(store, run)
    environment = Environment(
        loader=PackageLoader("orchestrator.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["percent"] = percent
    environment.filters["estimate"] = estimate
    html = environment.get_template("report.html").render(
        content=content,
        comparison=content.comparison,
        metrics=METRICS,
        label_rows=list(label_rows(content.decisions)),
        escape_rows=list(escape_rows(content.decisions)),
        paper=PAPER,
        reasons=content.reasons(),
        reason_texts=REASONS,
        warnings=list(_warnings(content)),
        recognised=_recognised(content),
        curves={split: data_uri(curves(content.metrics, split), SVG) for split in content.splits()},
        reliability={arm: data_uri(drawing, SVG) for arm, drawing in content.reliability.items()},
        threshold_charts={
            label: data_uri(threshold_chart(curve, _threshold(content, label)), SVG)
            for label, curve in content.curves.items()
        },
        sheets=list(_sheets(store, content)),
        panels=list(_panels(store, content)),
        heat_rows=heat_table(content.heat),
        heat_sentences=[text for text in (heat_sentence(content.heat), sanity_sentence(content.heat)) if text],
        masked=min((model["masked"] for model in content.heat.get("models", [])), default=0),
        settings=list(flatten(content.pipeline)),
        outputs=list(flatten({k: v for k, v in content.steps.items() if k != "filter"})),
        start=STARTS.get(content.steps["baseline"].get("initial_weights", ""), ""),
        versions=_versions(),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    comparison = content.comparison
    summary = {
        "outcome": comparison.outcome,
        "verdict": comparison.verdict,
        "baseline": {name: asdict(value) for name, value in comparison.baseline.items()},
        "expanded": {name: asdict(value) for name, value in comparison.expanded.items()},
        "difference_f1": asdict(comparison.difference),
        "difference_f1_by_group": asdict(comparison.by_group),
        "p_value": comparison.p_value,
        "test_images": comparison.test_images,
        "test_groups": comparison.test_groups,
        "synthetic": content.reasons(),
        "heat": content.heat,
    }
    return html.encode(), summary


def percent(value: float | None) -> str:
    """0.8159 -> "81.6%"."""
    return "–" if value is None else f"{value * 100:.1f}%"


def estimate(value: Estimate, metric: str = "f1") -> str:
    """A mean with its interval; a loss as it is, everything else in per cent."""
    show = (lambda x: f"{x:.4f}") if metric == "loss" else percent
    return show(value.mean) + (f" [{show(value.low)}, {show(value.high)}]" if value.low is not None else "")


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """("a.b", value) of nested mappings, for a table."""
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value, default=str)


def _threshold(content: RunContent, label: str) -> float:
    rules = content.pipeline.get("settings", content.pipeline).get("filter", {})
    return float(rules.get("label_thresholds", {}).get(label, rules.get("threshold", 0.9)))


def _warnings(content: RunContent) -> Iterator[str]:
    if drawn := content.steps["ingest"].get("drawn"):
        yield f"Drawn data: {drawn}. No figure here says anything about photographs."
    if content.steps["baseline"].get("initial_weights") == "random":
        yield "Random weights: no ImageNet weights were found, so both arms start from nothing. Expect low figures."
    wanted = content.pipeline.get("settings", {}).get("classifier", {}).get("initial_weights")
    if wanted == "imagenet" and content.steps["baseline"].get("initial_weights") == "starter":
        yield "No ImageNet weights were found: both arms start from the starter classifier, which saw drawn parts only."
    if content.comparison.test_groups < 30:
        yield f"Small test set: it holds {content.comparison.test_groups} independent parts only."


def _recognised(content: RunContent) -> list[str]:
    """How ingest read the folder, and what it left out; nothing of runs that did not keep it."""
    source = content.steps["ingest"].get("source")
    return [*in_words(source), *warnings(source)] if source else []


def _sheets(store: ObjectStore, content: RunContent) -> Iterator[dict[str, Any]]:
    for label in sorted({line.label for line in content.real}):
        real = [x for x in content.real if x.label == label and x.split == "train" and x.origin == "real"]
        judged = content.judged.get(label, [])
        accepted = [x for x in judged if x.verdict == "accepted"]
        groups = [("real, for training", real), ("synthetic, accepted", accepted)]
        groups += [
            (f"rejected: {text}", [x for x in judged if x.reasons and x.reasons[0] == reason])
            for reason, text in REASONS.items()
        ]
        for title, lines in groups:
            images = [i for i in some_images(store, lines) if _is_image(i)]
            if images:
                yield {"label": label, "title": title, "count": len(lines), "image": data_uri(sheet(images, 12))}


def _is_image(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (UnidentifiedImageError, OSError):
        return False
    return True


def _panels(store: ObjectStore, content: RunContent) -> Iterator[dict[str, Any]]:
    by_image: dict[str, list[dict[str, Any]]] = {}
    for row in content.explanations:
        by_image.setdefault(row["sha256"], []).append(row)
    baseline = content.steps["baseline"]["name"]
    for rows in list(by_image.values())[:PANEL_IMAGES]:
        arms = []
        try:
            original = data_uri(store.get(store.key(rows[0]["uri"])))
            for row in rows:
                arm = "real only" if row["model"].rpartition("/")[0] == baseline else "real + synthetic"
                arms.append({"arm": arm, "row": row, "image": data_uri(store.get(store.key(row["overlay_uri"])))})
        except DefectoryError:
            continue  # a panel that was deleted takes no other with it
        yield {"label": rows[0]["label"], "kind": rows[0].get("kind", ""), "original": original, "arms": arms}


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in ("defectory", "torch", "tensorflow", "keras", "numpy", "pillow", "grpcio"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # an image of its own has not every package
    return found
