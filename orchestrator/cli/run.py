"""`defectory run`: the whole line, from a folder of photographs to a report."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.ingest import NAMES, summary_in_words
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
from orchestrator.cli.output import emit, table
from orchestrator.cli.program import program
from orchestrator.cli.setting_options import with_settings
from orchestrator.pipeline.data_settings import IngestSettings

if TYPE_CHECKING:
    from defectory.storage import ObjectStore
    from orchestrator.pipeline.preview import Preview
    from orchestrator.pipeline.runner import RunResult
    from orchestrator.pipeline.settings import PipelineSettings


@with_settings({**NAMES, "seed": "split_seed"})  # a run has a seed of its own
def run(
    source: Annotated[
        Path | None, typer.Argument(metavar="PIPELINE.yaml|DIR", help="A pipeline file, or a folder of photographs.")
    ] = None,
    *,
    preset: Annotated[str, typer.Option("--preset", help="Defaults: paper, quick or demo. For a DIR: quick.")] = "",
    name: Annotated[str, typer.Option("--name", help="Name of the run; default: the file's or folder's.")] = "",
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Any setting of docs/pipeline.md, as often as needed."),
    ] = None,
    first: Annotated[str, typer.Option("--from", metavar="STEP", help="Compute this step and all after it anew.")] = "",
    reading: IngestSettings,
    no_review: Annotated[
        bool, typer.Option("--no-review", help="Go on with the filter's verdict, whatever `defectory review` decided.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what the folder holds, what would go wrong, what would run, why, and how long; run nothing.",
        ),
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Write what would run as a pipeline file to edit; run nothing."),
    ] = None,
    weights: Weights = "",
    allow_random_weights: Annotated[
        bool, typer.Option("--allow-random-weights", help="Go on from random weights where there are no others.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of pipeline files and exit.")] = False,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Run the line: ingest, a classifier on real images, generators, synthesis and filter, one with both, report.

    Each classifier that is compared is an arm; README has the line in one picture. Before anything is started, a run
    looks for what would go wrong, and says how long it takes.

    What is finished is not computed again: the same command continues a run that was stopped or killed.

    \b
    defectory run photos/ --preset quick
    defectory run photos/ --set generator.kimg=1 --set data.validation_share=0.4
    defectory run photos/ --write pipeline.yaml
    defectory run examples/magnetic_tile.yaml --dry-run
    defectory run examples/magnetic_tile.yaml --from filter
    """
    from defectory.errors import InvalidInput
    from defectory.storage import open_store
    from orchestrator.cli.pipeline_file import write_pipeline_file
    from orchestrator.cli.run_result import emit_result
    from orchestrator.pipeline.checks import stop_on
    from orchestrator.pipeline.preview import preview
    from orchestrator.pipeline.settings import PipelineSettings

    if schema:
        emit(PipelineSettings.model_json_schema(), as_json, json.dumps(PipelineSettings.model_json_schema(), indent=2))
        return
    if source is None:
        right = "give a pipeline file or a folder of photographs"
        raise InvalidInput(f"nothing to run: {right}", {"source": right})
    data = reading.model_dump(exclude_unset=True)
    assigned = [*(assignments or ()), *(["review=false"] if no_review else [])]
    settings = read_settings(source, preset, name, allow_random_weights, data, assigned)
    if write is not None:
        write_pipeline_file(settings, write)
        emit({"pipeline_file": str(write)}, as_json, f"{write} is what would run; `defectory run {write}` runs it")
        return
    url = store_url(store)
    known = preview(
        opened_or_empty(store),
        settings,
        first=first,
        weights=weights_file(weights),
        weights_content=weights_content(weights),
    )
    if dry_run:
        emit_preview(known, settings.name, as_json)
        stop_on(known.concerns)
        return
    emit_result(_run(url, open_store(url), settings, known, first, weights, verbose), settings, as_json, store)


def read_settings(
    source: Path,
    preset: str,
    name: str,
    allow_random_weights: bool,
    data: Mapping[str, object] = MappingProxyType({}),
    assignments: Sequence[str] = (),
) -> "PipelineSettings":
    """The pipeline's settings from a file or folder, the options over it, and the assignments over both.

    Args:
        data: settings of `data` that were given as options.
        assignments: "generator.kimg=1"; paths in them are relative to where the command was typed.
    """
    from defectory.datasets.layouts.table import TABLE_ENDINGS
    from orchestrator.cli.sources import PIPELINES, check_exists
    from orchestrator.pipeline import presets
    from orchestrator.pipeline.assignments import assigned
    from orchestrator.pipeline.settings import absolute, merged, read_pipeline_file, resolve, run_name

    check_exists(source, "folder or pipeline file", (*PIPELINES, *TABLE_ENDINGS))
    if source.is_dir() or source.suffix.lower() in TABLE_ENDINGS:
        full = source.expanduser().resolve()
        values: dict[str, object] = {"name": run_name(full.stem), "preset": "quick", "data": {"directory": str(full)}}
    else:
        values = read_pipeline_file(source)
    options: dict[str, object] = {"data": data} if data else {}
    options |= {"name": name} if name else {}
    options |= {"preset": preset} if preset else {}
    options |= {"allow_random_weights": True} if allow_random_weights else {}
    values = merged(values, absolute(merged(options, assigned(assignments)), Path.cwd()))
    return resolve(values, presets.preset(str(values.get("preset") or "")))


def _run(
    url: str,
    store: "ObjectStore",
    settings: "PipelineSettings",
    known: "Preview",
    first: str,
    weights: str,
    verbose: bool,
) -> "RunResult":
    from orchestrator.pipeline import pace
    from orchestrator.pipeline.at_work import at_work
    from orchestrator.pipeline.checks import warn_or_stop
    from orchestrator.pipeline.clients import ServiceClients
    from orchestrator.pipeline.display import Display
    from orchestrator.pipeline.durations import durations
    from orchestrator.pipeline.embedded import EmbeddedServices, log_folder
    from orchestrator.pipeline.estimate import in_words
    from orchestrator.pipeline.line import line_of
    from orchestrator.pipeline.outputs import INGEST
    from orchestrator.pipeline.run_record import RunRecord, TypedCommand
    from orchestrator.pipeline.runner import run_line

    with (
        at_work(store, "runs", settings.name),
        Display(verbose=verbose) as display,
        EmbeddedServices(url, log_folder(url), weights=weights_file(weights), say=display.warn) as endpoints,
    ):
        warn_or_stop(known.concerns, display.say, display.warn)
        typed = TypedCommand(arguments=tuple(sys.argv[1:]), folder=str(Path.cwd()), program=program(), store=store.url)
        RunRecord(store, settings.name).write_command(typed)
        display.say(in_words(known.estimate))
        services = ServiceClients(endpoints, display.warn)
        line = line_of(settings.arms, settings.edits)
        result = run_line(line, store, settings, services, display, first=first, weights=weights_content(weights))
    counts = result.outputs[INGEST].counts
    pace.remember(store, settings.name, durations(settings, counts), result.seconds, pace.machine())
    return result


def emit_preview(known: "Preview", name: str, as_json: bool) -> None:
    """Print what was recognised in the folder, what speaks against the run, what would run, and how long it takes."""
    from dataclasses import asdict

    from orchestrator.pipeline.checks import in_lines
    from orchestrator.pipeline.estimate import in_words

    rows = [asdict(decision) for decision in known.plan]
    columns = ["step", "action", *(["why"] if any(decision.why for decision in known.plan) else [])]
    time = f"time    {in_words(known.estimate)}"
    parts = [summary_in_words(known.source), "\n".join(in_lines(known.concerns)), table(rows, columns), time]
    emit(
        {
            "run": name, "source": known.source, "plan": rows, "concerns": [asdict(one) for one in known.concerns],
            "estimate": {**asdict(known.estimate), "text": in_words(known.estimate)},
        },
        as_json,
        "\n\n".join(filter(None, parts)),
    )  # fmt: skip
