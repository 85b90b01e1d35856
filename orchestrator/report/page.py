"""Builds report.html from a run's content."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, JsonValue

from defectory.datasets.layouts.summary import in_words, warnings
from defectory.errors import NotFound
from defectory.statistics import FEWEST_CYCLES
from defectory.storage.store import ObjectStore
from defectory.trivial import scored
from defectory.versions import installed_version
from orchestrator.cables.faults import FAULTS
from orchestrator.glossary import GLOSSARY
from orchestrator.pipeline.arms import colours
from orchestrator.pipeline.outputs import FILTER, REVIEW
from orchestrator.pipeline.report_keys import files_folder
from orchestrator.pipeline.summary import (  # fmt: skip
    ArmSummary,
    ChoiceSummary,
    DifferenceSummary,
    RunSummary,
    TrivialSummary,
)
from orchestrator.report.calibration import calibration_rows, calibration_sentences
from orchestrator.report.charts import Chart, csv_of, data_uri, file_name
from orchestrator.report.comparison import METRICS, Chance
from orchestrator.report.confusion import escape_rows, label_rows
from orchestrator.report.content import ArmContent, RunContent, read_run
from orchestrator.report.detail import DETAILS, FULL, JPEG, MAX_BYTES, Detail
from orchestrator.report.figures import curves, jpeg, threshold_chart
from orchestrator.report.formats import estimate, flatten, in_counts, percent, points
from orchestrator.report.heat import heat_sentences, heat_table, sanity_sentence, training_as, without_use
from orchestrator.report.learning import coverage_chart, kid_chart, novelty_chart
from orchestrator.report.lineage import REASONS
from orchestrator.report.mistakes import counted_as, rates_of
from orchestrator.report.operating import Operating, cost_chart, cost_sentences, mistakes_chart, operating_of
from orchestrator.report.panels import as_shown, read_panels
from orchestrator.report.people import agreement_sentence, blind_sentence, decided_rows, sample_sentence
from orchestrator.report.reliability import reliability_chart
from orchestrator.report.sheets import Album
from orchestrator.report.shortcut import probe_rows, shortcut_warning
from orchestrator.report.signature import signed_rows
from orchestrator.report.times import COLUMNS, rows_of

# Giedra & Vdoviak (2024), table of results: best cycle at its best epoch, both chosen on the test set.
PAPER = {
    "paper, real only": {"f1": "81.59%", "accuracy": "81.88%"},
    "paper, real + synthetic": {"f1": "94.99%", "accuracy": "95.05%"},
}
METRIC_NAMES = {"f1": "macro-F1", **{metric: metric for metric in METRICS if metric != "f1"}}
CHANCES: Mapping[Chance, str] = {  # a field of a difference -> what its interval is about
    "over_cycles": "by the chance of a training's random start",
    "by_group": "by the chance of the parts that were tested",
}
GROUPS_PX = 2000  # longest side of the sheet of parts where a page has to be smaller
SKIPPED = 200  # files that a page names; all stand in a file beside it
STARTS = {
    "imagenet": "ImageNet weights",
    "starter": "the starter classifier, which learned from drawn parts and surfaces",
    "random": "random weights",
}


class FilterRules(BaseModel):
    """What of the filter's settings a chart shows."""

    threshold: float
    policy: str = ""
    novelty_gate: bool = True
    label_thresholds: dict[str, float] = {}


class Report(NamedTuple):
    """A run's report.

    Attributes:
        files: makes name -> content, of what lies beside the page, in the folder that `report_keys` names.
    """

    html: bytes
    summary: RunSummary
    files: Callable[[], dict[str, bytes]]


def build_report(store: ObjectStore, run: str) -> Report:
    """The report of a run: as much of its images as keeps the page below MAX_BYTES.

    Raises:
        NotFound, FailedPrecondition: no such run, or one that has not come far enough.
    """
    content = read_run(store, run)
    metrics, hues = {arm.title: arm.metrics for arm in content.arms}, colours(content.pipeline.arms)
    curves_ = {split: curves(metrics, hues, split) for split in content.splits()}
    believed = {arm.title: one for arm in content.arms if (one := reliability_chart(arm, hues[arm.title]))}
    operating, costs = _operating(content), content.pipeline.costs
    mistakes_, cost = mistakes_chart(operating, hues), cost_chart(operating, hues, costs) if costs else None
    thresholds = [
        threshold_chart(file_name("thresholds", str(number), label), label, curve, _threshold(content, label))
        for number, (label, curve) in enumerate(content.curves.items(), start=1)
    ]
    learned = kid_chart(content.learning), coverage_chart(content.learning)
    generators = [one for one in (*learned, novelty_chart(content.judged, content.limits)) if one]
    album = Album(store, content, _unfiltered(content))
    panels, groups = list(read_panels(store, content)), _groups(store, content)
    environment = Environment(
        loader=PackageLoader("orchestrator.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "percent": percent,
        "estimate": estimate,
        "points": points,
        "rate": in_counts,
        "data_uri": data_uri,
    }
    template = environment.get_template("report.html")
    words = {
        **_words(content),
        "curves": curves_,
        "reliability_charts": believed,
        "mistakes_chart": mistakes_,
        "cost_chart": cost,
        "cost_said": list(_cost_said(content, operating)) if cost else [],
        "threshold_charts": thresholds,
        "generator_charts": generators,
        "panels": panels,
    }

    def shown(detail: Detail) -> bytes:
        sheets, overruled = album.sheets(detail)
        small = groups if detail is FULL or not groups else jpeg(groups, GROUPS_PX)
        return template.render(
            words,
            detail=detail,
            sheets=sheets,
            overruled=overruled,
            groups=data_uri(small, "image/png" if small is groups else JPEG) if small else "",
            shown=partial(as_shown, detail=detail),
        ).encode()

    html = next((page for detail in DETAILS[:-1] if len(page := shown(detail)) <= MAX_BYTES), None)

    def files() -> dict[str, bytes]:
        drawn = [*curves_.values(), *believed.values(), *filter(None, [mistakes_, cost]), *thresholds, *generators]
        return {**_files(content, drawn), **album.files()}

    return Report(html or shown(DETAILS[-1]), _summary(content), files)


def _words(content: RunContent) -> dict[str, object]:
    """What the page tells in words and numbers: the template's variables that do not depend on the room for images."""
    arms, trivial = content.pipeline.arms, content.trivial
    decisions = {arm.title: arm.evaluation.decisions for arm in content.arms if arm.evaluation.decisions is not None}
    evaluations = {arm.title: arm.evaluation for arm in content.arms}
    sanity = sanity_sentence(content.heat, {arm.trained.full_name: arm.title for arm in content.arms})
    accepted = {label: counted["accepted"] for label, counted in content.reasons().items()}
    outputs = content.outputs.as_json()
    return {
        "content": content,
        "folder": files_folder(content.run),
        "arms": content.arms,
        "doubts": content.verdict.doubts,
        "verdict": content.verdict.sentence,
        "inspection": content.verdict.inspection,
        "evidence": content.verdict.evidence,
        "recipe": content.verdict.recipe,
        "counted": counted_as(evaluations),
        "served": {title: scored(x.confusion) for title, x in decisions.items() if len(decisions) == len(arms)},
        "trivial": trivial,
        "against": content.verdict.trivial,
        "glossary": GLOSSARY,
        "chances": CHANCES,
        "metric_names": METRIC_NAMES,
        "same_steps": len({arm.steps for arm in content.arms}) == 1,
        "references": _references(content),
        "calibration_said": list(calibration_sentences(content.arms)),
        "looked_without_use": without_use(trivial.no_better, trivial.name) if trivial else "",
        "comparison": content.comparison,
        "outcome": _outcome(content),
        "metrics": METRICS,
        "fewest_cycles": FEWEST_CYCLES,
        "rates": rates_of(evaluations),
        "deciding": list(decisions),
        "label_rows": list(label_rows(decisions)),
        "escape_rows": list(escape_rows(decisions)),
        "paper": _shows_cables(content),
        "unfiltered": _unfiltered(content),
        "reasons": content.reasons(),
        "reason_texts": REASONS,
        "probe_rows": list(probe_rows(content.probes, accepted)),
        "warnings": list(_warnings(content)),
        "recognised": _recognised(content),
        "skipped": content.ingested.skipped[:SKIPPED],
        "colours": colours(arms),
        "reliability_file": reliability_file,
        "calibrations": [arm for arm in content.arms if arm.calibration],
        "cautions": list(dict.fromkeys(arm.caution for arm in content.arms if arm.caution)),
        "decided_rows": list(decided_rows(content.reviewed)),
        "agreements": list(map(agreement_sentence, content.reviewed.pairs)),
        "samples": list(map(sample_sentence, content.reviewed.samples)),
        "blind_tests": list(map(blind_sentence, content.reviewed.blind)),
        "heat_rows": heat_table(content.heat),
        "heat_sentences": [*heat_sentences(content.heat, training_as(arms)), *filter(None, [sanity])],
        "masked": min((model.masked for model in content.heat.models), default=0),
        "settings": list(flatten(content.pipeline.model_dump(mode="json"))),
        "outputs": list(flatten({k: _without_skipped(v) for k, v in outputs.items() if k != FILTER.step})),
        "signed_rows": list(signed_rows(content)),
        "start": _start(content),
        "time_columns": COLUMNS,
        "time_rows": rows_of([x for x in content.times if x.step != REVIEW.step or content.reviewed.reviewers]),
        "versions": _versions(),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _files(content: RunContent, charts: Sequence[Chart]) -> dict[str, bytes]:
    """File name -> content, of what is no image of the run: charts, calibration, and files that were skipped."""
    files = {name: data for chart in charts for name, data in chart.files().items()}
    for arm in content.arms:
        if arm.reliability is not None and arm.evaluation.curves is None:
            files[reliability_file(arm)] = arm.reliability
    if calibrated := list(calibration_rows(content)):
        files["calibration.csv"] = csv_of(calibrated)
    if content.ingested.skipped:
        files["skipped.csv"] = csv_of({"file": path, "why": why} for path, why in content.ingested.skipped)
    return files


def reliability_file(arm: ArmContent) -> str:
    """The file's name of what the classifier drew, which stands where its evaluation has no bins."""
    return f"{file_name('reliability', arm.settings.name)}.svg"


def _operating(content: RunContent) -> dict[str, Operating]:
    """Arm's title -> its operating point; without arms of which nothing was counted by the threshold."""
    each = {arm.title: operating_of(arm.metrics, arm.evaluation) for arm in content.arms}
    return {title: one for title, one in each.items() if one is not None}


def _cost_said(content: RunContent, operating: Mapping[str, Operating]) -> Iterator[str]:
    costs = content.pipeline.costs
    if costs is not None:
        models = {arm.title: arm.trained.full_name for arm in content.arms}
        yield from cost_sentences(operating, costs, models, content.ingested.dataset)


def _without_skipped(output: JsonValue) -> JsonValue:
    """A step's output without the files that were skipped, which have a table of their own."""
    return {k: v for k, v in output.items() if k != "skipped"} if isinstance(output, dict) else output


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
        trivial=_trivial(content, names),
        choice=ChoiceSummary(arm=names[content.choice.title], why=content.choice.why),
        test_images=comparison.test_images,
        test_groups=comparison.test_groups,
        synthetic=content.reasons(),
        heat=content.heat.model_dump(mode="json"),
    )


def _trivial(content: RunContent, names: Mapping[str, str]) -> TrivialSummary | None:
    """Args: names: arm's title -> its name."""
    trivial = content.trivial
    if trivial is None:
        return None
    own = trivial.score
    no_better = [names[title] for title in trivial.no_better]
    return TrivialSummary(answer=trivial.name, right=own.right, of=own.of, f1=own.f1, no_better=no_better)


def _outcome(content: RunContent) -> str:
    """By what the verdict is coloured: what all arms did; where they differ, nobody can tell in a word."""
    if content.trivial and len(content.trivial.no_better) == len(content.arms):
        return "cannot tell"  # no arm is worth a green edge
    outcomes = {difference.outcome for difference in content.comparison.differences.values()}
    return outcomes.pop() if len(outcomes) == 1 else "no difference"


def _start(content: RunContent) -> str:
    """Where all bases started; empty where they did not start alike, or it is not known."""
    starts = {arm.trained.initial_weights for arm in content.arms}
    return STARTS.get(starts.pop(), "") if len(starts) == 1 else ""


def _references(content: RunContent) -> dict[str, dict[str, str]]:
    """Columns beside the arms: title -> row -> figure, of the paper and of one answer to everything."""
    references = dict(PAPER) if _shows_cables(content) else {}
    trivial = content.trivial
    if trivial is not None:
        own = trivial.score
        shares = {"f1": percent(own.f1), "accuracy": percent(own.accuracy), "recall": percent(own.recall)}
        rates = rates_of({arm.title: arm.evaluation for arm in content.arms}).get(content.arms[0].title)
        wrong = {"escape": rates.escape.of, "overkill": rates.overkill.of} if rates else {}
        counts = {error: f"{trivial.mistakes(error, of)} of {of}" for error, of in wrong.items()}
        served = {f"{figure}, served": shares[figure] for figure in ("f1", "accuracy")}
        references[trivial.name] = {**shares, **served, **counts}
    return references


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


def _groups(store: ObjectStore, content: RunContent) -> bytes:
    """The sheet of parts with several photographs; empty where there are none, or it was deleted."""
    uri = content.ingested.groups_uri
    try:
        return store.get(store.key(uri)) if uri else b""
    except NotFound:
        return b""


def _versions() -> dict[str, str]:
    versions = {"Python": platform.python_version()}
    for package in ("defectory", "torch", "tensorflow", "keras", "numpy", "pillow", "grpcio"):
        try:
            versions[package] = installed_version(package)
        except PackageNotFoundError:
            continue  # an image of its own has not every package
    return versions
