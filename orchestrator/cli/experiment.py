"""`defectory experiment`: do the made images help, for whom, and what is that worth?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectory.storage.places import path_or_uri
from orchestrator.cli.options import (
    AsJson,
    Store,
    Verbose,
    Weights,
    opened_or_empty,
    store_url,
    weights_content,
    weights_file,
)  # fmt: skip
from orchestrator.cli.output import emit

if TYPE_CHECKING:
    from orchestrator.pipeline.runner import RunResult
    from orchestrator.proof.preview import Preview
    from orchestrator.proof.spec import ExperimentSpec


def experiment(
    spec_file: Annotated[
        Path | None, typer.Argument(metavar="SPEC.yaml", help="What is compared, and how (docs/experiments.md).")
    ] = None,
    *,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would run, how long, and what it can never show; run nothing."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Also write the report and its files to this folder.")
    ] = None,
    weights: Weights = "",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of spec files and exit.")] = False,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Compare ways of training a classifier over folds and seeds, and say what helped, hurt, or cannot be told.

    Every part is tested in one fold, by classifiers that saw nothing of it; nor did generators and judges. First it is
    proven that the test can tell at all. What is finished is not computed again: the same command continues an
    experiment that was stopped or killed.

    \b
    defectory experiment examples/experiments/magnetic_tile.yaml --dry-run
    defectory experiment examples/experiments/magnetic_tile.yaml --out build/proof
    """
    from defectory.errors import InvalidInput
    from orchestrator.cli.destinations import folder_to_write
    from orchestrator.cli.sources import PIPELINES, check_is_file
    from orchestrator.pipeline.checks import stop_on
    from orchestrator.proof.preview import preview
    from orchestrator.proof.spec import ExperimentSpec, read_spec

    if schema:
        text = ExperimentSpec.model_json_schema()
        emit(text, as_json, json.dumps(text, indent=2))
        return
    if spec_file is None:
        right = "give a spec file"
        raise InvalidInput(f"nothing to compare: {right}", {"spec": right})
    check_is_file(spec_file, "spec file", PIPELINES)
    spec = read_spec(spec_file)
    out = folder_to_write(out) if out else None
    url = store_url(store)
    known = preview(
        opened_or_empty(store), spec, weights=weights_file(weights), weights_content=weights_content(weights)
    )
    if dry_run:
        _emit_preview(spec, known, as_json)
        stop_on(known.concerns)
        return
    _emit_result(spec, _run(url, spec, known, weights, verbose), out, url, as_json)


def _run(url: str, spec: "ExperimentSpec", known: "Preview", weights: str, verbose: bool) -> "RunResult":
    from defectory.storage import open_store
    from orchestrator.pipeline.at_work import at_work
    from orchestrator.pipeline.checks import warn_or_stop
    from orchestrator.pipeline.clients import ServiceClients
    from orchestrator.pipeline.display import Display
    from orchestrator.pipeline.embedded import EmbeddedServices, log_folder
    from orchestrator.pipeline.runner import run_line
    from orchestrator.proof.line import experiment_line
    from orchestrator.proof.preview import record_of
    from orchestrator.proof.watching import Counted

    store, line = open_store(url), experiment_line(spec)
    with (
        at_work(store, "experiments", spec.name),
        Display(verbose=verbose) as display,
        EmbeddedServices(url, log_folder(url), weights=weights_file(weights), say=display.warn) as endpoints,
    ):
        warn_or_stop(known.concerns, display.say, display.warn)
        for text in (*known.limits, _time(known)):
            display.say(text)
        services = ServiceClients(endpoints, display.warn)
        watcher = Counted(display, [step.name for step in line])
        record, content = record_of(store, spec), weights_content(weights)
        return run_line(line, store, spec.pipeline, services, watcher, weights=content, record=record)


def _emit_result(spec: "ExperimentSpec", result: "RunResult", out: Path | None, url: str, as_json: bool) -> None:
    from defectory.storage import open_store
    from orchestrator.cli.destinations import write_files
    from orchestrator.proof.proven import PROOF

    proven = result.outputs[PROOF]
    if out is not None:
        store = open_store(url)
        files = {**proven.files, "report.html": proven.report_uri}
        write_files(out, {name: store.get(store.key(uri)) for name, uri in files.items()})
    report = str(out / "report.html") if out else path_or_uri(proven.report_uri)
    said = {"experiment": spec.name, "ran": result.ran, "skipped": result.skipped, **proven.model_dump(mode="json")}
    emit(said, as_json, "\n".join(["", *proven.verdict, f"report: {report}"]))


def _emit_preview(spec: "ExperimentSpec", known: "Preview", as_json: bool) -> None:
    from dataclasses import asdict

    from orchestrator.pipeline.checks import in_lines

    arms = ", ".join(arm.name for arm in spec.arms)
    head = f"{spec.name}: {len(spec.arms)} arms ({arms}) × {spec.folds} folds × {spec.seeds} seeds"
    to_do = [decision.step for decision in known.plan if decision.action != "skip"]
    concerns = in_lines(known.concerns)
    steps = f"{len(to_do)} of {len(known.plan)} steps are left"
    emit(asdict(known), as_json, "\n".join([head, *concerns, *known.limits, steps, _time(known)]))


def _time(known: "Preview") -> str:
    """E.g. "60 classifiers are left to train: all in about 2 hours, by a measurement of this machine"."""
    from orchestrator.pipeline.estimate import in_short

    return f"{known.trainings} classifiers are left to train: all in {in_short(known.estimate)}"
