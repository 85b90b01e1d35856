"""What a finished run says: the verdict first, where its time went, where the report lies, and what to type next."""

import shlex

from defectory.storage.places import path_or_uri
from orchestrator.cli.output import emit
from orchestrator.cli.program import program
from orchestrator.pipeline import outputs as keys
from orchestrator.pipeline.base_warnings import NEXT_WEIGHTS
from orchestrator.pipeline.outputs import Ingested, Model
from orchestrator.pipeline.progress import clock
from orchestrator.pipeline.runner import RunResult
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.summary import RunSummary


def emit_result(result: RunResult, settings: PipelineSettings, as_json: bool, store: str = "") -> None:
    """Print what was made.

    Args:
        store: as it was given to the command; the next commands are given the same.
    """
    outputs = result.outputs
    ingested, reported = outputs[keys.INGEST], outputs[keys.REPORT]
    generators = outputs[keys.GENERATORS].trained if keys.GENERATORS in outputs else {}
    filtered = outputs[keys.FILTER].root if keys.FILTER in outputs else {}
    classifiers = {arm.name: outputs[keys.trained(arm.name)] for arm in settings.arms}
    own = {arm.name: outputs[keys.dataset_of(arm.name)] for arm in settings.arms if arm.has_own_dataset}
    summary = {
        "run": result.run,
        "dataset": ingested.dataset,
        "manifest_uri": ingested.manifest_uri,
        "content_hash": ingested.content_hash,
        "images": ingested.images,
        "counts": ingested.counts,
        "skipped_files": ingested.skipped,
        "arms": {name: dataset.model_dump() for name, dataset in own.items()},
        "models": {
            **{name: _model(model) for name, model in classifiers.items()},
            "generators": {label: _model(model) for label, model in generators.items()},
        },
        "accepted": {label: of_label.accepted for label, of_label in filtered.items()},
        "metrics": {arm.name: outputs[keys.evaluated(arm.name)].metrics for arm in settings.arms},
        "steps": {
            "ran": result.ran,
            "skipped": result.skipped,
            "seconds": result.seconds,
            "seconds_before": result.before,
            "elapsed_s": result.elapsed_s,
        },
        "summary": reported.summary.model_dump(mode="json"),
        "report_uri": reported.report_uri,
        "earlier_report_uri": reported.earlier_uri if keys.REPORT.step in result.ran else "",
    }
    emit(summary, as_json, in_words(result, settings, store))


def _model(model: Model) -> dict[str, str]:
    return {"name": model.name, "version": model.version, "weights_sha256": model.weights_sha256}


def in_words(result: RunResult, settings: PipelineSettings, store: str) -> str:
    """The end of a run for a person."""
    metrics = {arm.shown: result.outputs[keys.evaluated(arm.name)].metrics for arm in settings.arms}
    f1 = ", ".join(f"{title} {figures.get('f1', float('nan')):.1%}" for title, figures in metrics.items())
    reported = result.outputs[keys.REPORT]
    summary = reported.summary
    lines = ["", *(f"! {doubt}" for doubt in summary.doubts), summary.verdict, *summary.details]
    lines.append(
        "macro-F1 (precision and recall of every label in one figure) on the test split, mean over all trainings of an "
        f"arm: {f1}"
    )
    if skipped := result.outputs[keys.INGEST].skipped:
        lines.append(f"{len(skipped)} files were skipped; `defectory run … --json` and the report list them")
    lines += [f"time: {_times(result)}", f"report: {path_or_uri(reported.report_uri)}"]
    if reported.earlier_uri and keys.REPORT.step in result.ran:
        lines.append(f"the report of before is kept as {path_or_uri(reported.earlier_uri)}")
    lines.append("next:")
    ingested = result.outputs[keys.INGEST]
    unproven = _is_no_use(best_arm(result, settings), summary) or _is_tested_on_few(ingested)
    more = _more_photographs(ingested) if unproven else []
    steps = [*_weights(result, settings), *more, *next_commands(result, settings, store)]
    return "\n".join([*lines, *(f"  {step}" for step in steps)])


def best_arm(result: RunResult, settings: PipelineSettings) -> str:
    """The arm to go on with, as the report chose it; the first one in runs of before it did."""
    choice = result.outputs[keys.REPORT].summary.choice
    return choice.arm if choice else settings.arms[0].name


def _is_no_use(arm: str, summary: RunSummary) -> bool:
    """Whether an arm is no better than one answer to everything."""
    return summary.trivial is not None and arm in summary.trivial.no_better


def _weights(result: RunResult, settings: PipelineSettings) -> list[str]:
    """The weights to get, where the starter stood in for them."""
    started = {result.outputs[keys.trained(arm.name)].initial_weights for arm in settings.arms}
    return [NEXT_WEIGHTS] if "starter" in started else []


def _is_tested_on_few(ingested: Ingested) -> bool:
    """Whether no classifier could be shown to be fit for inspection by the test's photographs of some label."""
    from orchestrator.report.inspection import TOLERATED, parts_needed

    return min(ingested.counts.get("test", {}).values(), default=0) < parts_needed(TOLERATED)


def _more_photographs(ingested: Ingested) -> list[str]:
    """Of which label there are too few to learn from, in words; empty where nobody counted."""
    counts = ingested.counts.get("train", {})
    if not counts:
        return []
    fewest = min(counts, key=lambda label: counts[label])
    one = f"{counts[fewest]} photograph{'s' * (counts[fewest] != 1)} of {fewest}"
    others = [f"{count} of {label}" for label, count in counts.items() if label != fewest]
    named = " and ".join([", ".join([one, *others[:-1]]), *others[-1:]])
    return [
        f"more photographs, of {fewest} first: {named} train the classifier; put them into the same folder, and start "
        "the same run again"
    ]


def next_commands(result: RunResult, settings: PipelineSettings, store: str) -> list[str]:
    """What a person does next: look at the synthetic images, have a photograph classified by which model, and see why.

    A classifier that is no better than one answer to everything is none to classify by: its report says more.
    """
    best = best_arm(result, settings)
    trained = result.outputs[keys.trained(best)]
    model = f"{trained.name}/{trained.version}"  # the one that the report speaks of, also where a newer one comes
    where = f" --store {shlex.quote(store)}" if store else ""
    called = program()
    looked_at = [f"{called} review {result.run}{where}"] if keys.REVIEW in result.outputs else []
    if _is_no_use(best, result.outputs[keys.REPORT].summary):
        return [f"{called} open {result.run}{where}", *looked_at]
    choice = result.outputs[keys.REPORT].summary.choice
    title = next(arm.shown for arm in settings.arms if arm.name == best)
    return [
        *looked_at,
        *([f"with “{title}”, {choice.why}:"] if choice and choice.why else []),
        f"{called} classifier classify {model} part.png{where}",
        f"{called} explain part.png --model {model} --out part-why.png{where}",
    ]


def _times(result: RunResult) -> str:
    """Where the time went, the longest step first; steps that took less than a second are not worth a word.

    Where an earlier start did some of them, also what all of them took together, which the report's table says.
    """
    if not result.ran:
        return "none, everything was there"
    longest = sorted(result.seconds.items(), key=lambda item: -item[1])
    steps = ", ".join(f"{step} {clock(seconds)}" for step, seconds in longest if seconds >= 1)
    beside = " (some beside each other)" if sum(result.seconds.values()) > result.elapsed_s + 1 else ""
    of = "of this start" if sum(result.before.values()) >= 1 else "in all"
    said = f"{clock(result.elapsed_s)} {of}" + (f": {steps}{beside}" if steps else "")
    if of == "in all":
        return said
    every = {**result.before, **result.seconds}
    measured = sum(seconds for step, seconds in every.items() if step != keys.REPORT.step)
    return f"{said}; with the steps that were done before {clock(measured)} together (the report's table)"
