"""Builds report.html from a run's content."""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel

from defectory.datasets.layouts.summary import in_words, warnings
from defectory.errors import DefectoryError, NotFound
from defectory.imaging import FULL_DEPTH
from defectory.statistics import FEWEST_CYCLES
from defectory.storage.store import ObjectStore
from defectory.versions import installed_version
from orchestrator.cables.faults import FAULTS
from orchestrator.pipeline.arms import colours
from orchestrator.pipeline.outputs import ArmSummary, DifferenceSummary, Estimate, RunSummary
from orchestrator.report.comparison import METRICS, Comparison
from orchestrator.report.confusion import escape_rows, label_rows, served
from orchestrator.report.content import REASONS, RunContent, read_run, some_images
from orchestrator.report.documents import Explanation, Rate
from orchestrator.report.figures import curves, data_uri, reduced, sheet, threshold_chart
from orchestrator.report.heat import heat_sentences, heat_table, sanity_sentence, training_as
from orchestrator.report.mistakes import counted_as, rates_of
from orchestrator.report.people import agreement_sentence, blind_sentence, decided_rows, sample_sentence
from orchestrator.report.shortcut import probe_rows, shortcut_warning
from orchestrator.report.times import COLUMNS

# Giedra & Vdoviak (2024), table of results: best cycle at its best epoch, both chosen on the test set.
PAPER = {
    "paper, real only": {"f1": "81.59%", "accuracy": "81.88%"},
    "paper, real + synthetic": {"f1": "94.99%", "accuracy": "95.05%"},
}
PANEL_IMAGES = 8
PANEL_PX = 320  # of a picture in a panel, longest side
STARTS = {
    "imagenet": "ImageNet weights",
    "starter": "the starter classifier, which learned from drawn parts and surfaces",
    "random": "random weights",
}
SVG = "image/svg+xml"


class FilterRules(BaseModel):
    """What of the filter's settings a chart shows."""

    threshold: float
    policy: str = ""
    novelty_gate: bool = True
    label_thresholds: dict[str, float] = {}


@dataclass(frozen=True)
class Sheet:
    """Some images of a label side by side. count: of all that there are; image: a data URI."""

    label: str
    title: str
    count: int
    image: str


@dataclass(frozen=True)
class Shown:
    """What an arm looked at on an image."""

    title: str
    explanation: Explanation
    image: str  # the overlay, a data URI


@dataclass(frozen=True)
class Panel:
    """A test image, and what every arm looked at."""

    label: str
    kind: str
    original: str  # a data URI
    arms: list[Shown]


def build_report(store: ObjectStore, run: str) -> tuple[bytes, RunSummary]:
    """(report.html, summary) of a run.

    Raises:
        NotFound, FailedPrecondition: no such run, or one that has not come far enough.
    """
    content = read_run(store, run)
    arms = content.pipeline.arms
    decisions = {arm.title: arm.evaluation.decisions for arm in content.arms if arm.evaluation.decisions is not None}
    metrics = {arm.title: arm.metrics for arm in content.arms}
    evaluations = {arm.title: arm.evaluation for arm in content.arms}
    sanity = sanity_sentence(content.heat, {arm.trained.full_name: arm.title for arm in content.arms})
    accepted = {label: counted["accepted"] for label, counted in content.reasons().items()}
    environment = Environment(
        loader=PackageLoader("orchestrator.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["percent"] = percent
    environment.filters["estimate"] = estimate
    environment.filters["rate"] = in_counts
    html = environment.get_template("report.html").render(
        content=content,
        arms=content.arms,
        doubts=content.verdict.doubts,
        verdict=content.verdict.sentence,
        evidence=content.verdict.evidence,
        recipe=content.verdict.recipe,
        counted=counted_as(evaluations),
        served={title: served(of_arm) for title, of_arm in decisions.items() if len(decisions) == len(arms)},
        comparison=content.comparison,
        outcome=_outcome(content.comparison),
        metrics=METRICS,
        fewest_cycles=FEWEST_CYCLES,
        rates=rates_of(evaluations),
        deciding=list(decisions),
        label_rows=list(label_rows(decisions)),
        escape_rows=list(escape_rows(decisions)),
        paper=PAPER if _shows_cables(content) else {},
        unfiltered=_unfiltered(content),
        reasons=content.reasons(),
        reason_texts=REASONS,
        probe_rows=list(probe_rows(content.probes, accepted)),
        warnings=list(_warnings(content)),
        recognised=_recognised(content),
        groups=_groups(store, content),
        colours=colours(arms),
        curves={split: data_uri(curves(metrics, colours(arms), split), SVG) for split in content.splits()},
        reliability={arm.title: data_uri(arm.reliability, SVG) for arm in content.arms if arm.reliability is not None},
        calibrations=[arm for arm in content.arms if arm.calibration],
        cautions=list(dict.fromkeys(arm.caution for arm in content.arms if arm.caution)),
        decided_rows=list(decided_rows(content.reviewed)),
        agreements=list(map(agreement_sentence, content.reviewed.pairs)),
        samples=list(map(sample_sentence, content.reviewed.samples)),
        blind_tests=list(map(blind_sentence, content.reviewed.blind)),
        overruled=list(_overruled(store, content)),
        threshold_charts={
            label: data_uri(threshold_chart(curve, _threshold(content, label)), SVG)
            for label, curve in content.curves.items()
        },
        sheets=list(_sheets(store, content)),
        panels=list(_panels(store, content)),
        heat_rows=heat_table(content.heat),
        heat_sentences=[*heat_sentences(content.heat, training_as(arms)), *filter(None, [sanity])],
        masked=min((model.masked for model in content.heat.models), default=0),
        settings=list(flatten(content.pipeline.model_dump(mode="json"))),
        outputs=list(flatten({k: v for k, v in content.outputs.as_json().items() if k != "filter"})),
        start=_start(content),
        time_columns=COLUMNS,
        time_rows=[time.row() for time in content.times],
        versions=_versions(),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )  # fmt: skip
    return html.encode(), _summary(content)


def _summary(content: RunContent) -> RunSummary:
    comparison = content.comparison
    names = {arm.title: arm.settings.name for arm in content.arms}
    return RunSummary(
        doubts=content.verdict.doubts,
        verdict=content.verdict.sentence,
        details=content.verdict.details,
        arms={
            names[title]: ArmSummary(title=title, recipe=content.recipes[title], metrics=metrics)
            for title, metrics in comparison.arms.items()
        },
        differences={
            names[title]: DifferenceSummary(
                outcome=x.outcome,
                verdict=x.verdict,
                evidence=x.evidence,
                f1=x.over_cycles,
                f1_by_group=x.by_group,
                p_value=x.p_value,
            )
            for title, x in comparison.differences.items()
        },
        test_images=comparison.test_images,
        test_groups=comparison.test_groups,
        synthetic=content.reasons(),
        heat=content.heat.model_dump(mode="json"),
    )


def _outcome(comparison: Comparison) -> str:
    """By what the verdict is coloured: what all arms did; where they differ, nobody can tell in a word."""
    outcomes = {difference.outcome for difference in comparison.differences.values()}
    return outcomes.pop() if len(outcomes) == 1 else "no difference"


def _start(content: RunContent) -> str:
    """Where all bases started; empty where they did not start alike, or it is not known."""
    starts = {arm.trained.initial_weights for arm in content.arms}
    return STARTS.get(starts.pop(), "") if len(starts) == 1 else ""


def percent(value: float | None) -> str:
    """0.8159 -> "81.6%"."""
    return "–" if value is None else f"{value * 100:.1f}%"


def estimate(value: Estimate, metric: str = "f1") -> str:
    """A mean with its interval, or few cycles' own values; a loss as it is, everything else in per cent."""
    show = (lambda x: f"{x:.4f}") if metric == "loss" else percent
    if value.singles:
        return ", ".join(map(show, value.singles))
    return show(value.mean) + (f" [{show(value.low)}, {show(value.high)}]" if value.low is not None else "")


def in_counts(rate: Rate) -> str:
    """E.g. "1 of 2: 50.0% [1.3%, 98.7%]"."""
    return f"{rate.count} of {rate.of}: {percent(rate.count / rate.of)} [{percent(rate.low)}, {percent(rate.high)}]"


def flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """("a.b", value) of nested mappings, for a table."""
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value, default=str)


def _shows_cables(content: RunContent) -> bool:
    """Whether the photographs are of what the paper measured: its kinds of fault, and no others."""
    kinds = {line.kind for line in content.real if line.is_real and line.kind}
    return kinds <= FAULTS.keys() and bool(kinds - {"combined"})  # other parts have combined faults, too


def _unfiltered(content: RunContent) -> str:
    """What "accepted" does not mean where the judge was not asked; empty where he was."""
    rules = FilterRules.model_validate(content.pipeline.section("filter")) if content.judged else None
    if rules is None or rules.policy != "none":
        return ""
    return "the judge was off (filter.policy none): " + (
        "only copies and outliers were rejected" if rules.novelty_gate else "nothing was rejected"
    )


def _threshold(content: RunContent, label: str) -> float:
    rules = FilterRules.model_validate(content.pipeline.section("filter"))
    return rules.label_thresholds.get(label, rules.threshold)


def _warnings(content: RunContent) -> Iterator[str]:
    """What a person should know before he believes a figure; each once."""
    if content.ingested.drawn:
        yield f"Drawn data: {content.ingested.drawn}. No figure here says anything about photographs."
    yield from content.warnings
    if warning := shortcut_warning(content.probes):
        yield warning


def _recognised(content: RunContent) -> list[str]:
    """How ingest read the folder, and what it left out, where no warning says so."""
    left = [text for text in warnings(content.ingested.source) if text not in content.warnings]
    return [*in_words(content.ingested.source), *left]


def _groups(store: ObjectStore, content: RunContent) -> str:
    """The sheet of parts with several photographs, a data URI; empty where there are none, or it was deleted."""
    uri = content.ingested.groups_uri
    try:
        return data_uri(store.get(store.key(uri))) if uri else ""
    except NotFound:
        return ""


def _sheets(store: ObjectStore, content: RunContent) -> Iterator[Sheet]:
    for label in sorted({line.label for line in content.real}):
        real = [x for x in content.real if x.label == label and x.split == "train" and x.is_real]
        judged = content.judged.get(label, [])
        accepted = [x for x in judged if x.judgement.verdict == "accepted"]
        how = f"; {off}" if (off := _unfiltered(content)) else ""
        edited = [x for x in content.edited if x.label == label]
        groups = [("real, for training", real), ("edited", edited), (f"synthetic, accepted{how}", accepted)]
        groups += [
            (f"synthetic, as made, in {arm.title}", [x for x in arm.unfiltered if x.label == label])
            for arm in content.arms
        ]
        groups += [
            (f"rejected: {text}", [x for x in judged if x.judgement.reasons and x.judgement.reasons[0] == reason])
            for reason, text in REASONS.items()
        ]
        for title, lines in groups:
            images = some_images(store, lines)
            if images:
                yield Sheet(label, title, len(lines), data_uri(sheet(images, 12)))


def _overruled(store: ObjectStore, content: RunContent) -> Iterator[Sheet]:
    for label, lines in content.overruled.items():
        if images := some_images(store, lines):
            yield Sheet(label, "accepted by the filter, rejected by people", len(lines), data_uri(sheet(images, 12)))


def _panels(store: ObjectStore, content: RunContent) -> Iterator[Panel]:
    by_image: dict[str, list[Explanation]] = {}
    for row in content.explanations:
        by_image.setdefault(row.sha256, []).append(row)
    titles = {arm.trained.full_name: arm.title for arm in content.arms}
    bits = {line.file.sha256: line.file.bits for line in content.real}
    for rows in list(by_image.values())[:PANEL_IMAGES]:
        try:
            original = _small(store, rows[0].uri, bits.get(rows[0].sha256, FULL_DEPTH))
            shown = [
                Shown(titles[row.model], row, _small(store, row.overlay_uri)) for row in rows if row.model in titles
            ]
        except DefectoryError:
            continue  # a panel that was deleted takes no other with it
        yield Panel(rows[0].label, rows[0].kind, original, shown)


def _small(store: ObjectStore, uri: str, bits: int = FULL_DEPTH) -> str:
    return data_uri(reduced(store.get(store.key(uri)), PANEL_PX, bits))


def _versions() -> dict[str, str]:
    versions = {"Python": platform.python_version()}
    for package in ("defectory", "torch", "tensorflow", "keras", "numpy", "pillow", "grpcio"):
        try:
            versions[package] = installed_version(package)
        except PackageNotFoundError:
            continue  # an image of its own has not every package
    return versions
