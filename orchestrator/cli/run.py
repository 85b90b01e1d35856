"""`defectory run`: the whole line, from a folder of photographs to a report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from orchestrator.cli.ingest import summary_in_words
from orchestrator.cli.options import (
    AsJson,
    Bits,
    Cut,
    Fit,
    Good,
    Groups,
    KeepSplits,
    Labels,
    LayoutName,
    Masks,
    Store,
    TestShare,
    TileOverlap,
    TilePx,
    ValidationShare,
    Weights,
    store_url,
    weights_content,
    weights_file,
)
from orchestrator.cli.output import emit, table

if TYPE_CHECKING:
    from defectory.storage import ObjectStore
    from orchestrator.pipeline.plan import Decision
    from orchestrator.pipeline.runner import RunResult
    from orchestrator.pipeline.settings import PipelineSettings


def run(
    source: Annotated[
        Path | None, typer.Argument(metavar="PIPELINE.yaml|DIR", help="A pipeline file, or a folder of photographs.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="Defaults: paper, quick or demo. For a DIR: quick.")] = "",
    name: Annotated[str, typer.Option("--name", help="Name of the run; default: the file's or folder's.")] = "",
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Any setting of docs/pipeline.md, as often as needed."),
    ] = None,
    first: Annotated[str, typer.Option("--from", metavar="STEP", help="Compute this step and all after it anew.")] = "",
    layout: LayoutName = "",
    good: Good = "",
    masks: Masks = "",
    keep_splits: KeepSplits = False,
    fit: Fit = "",
    labels: Labels = "",
    groups: Groups = None,
    test_share: TestShare = None,
    validation_share: ValidationShare = None,
    bits: Bits = None,
    tile: Cut = False,
    tile_px: TilePx = 0,
    tile_overlap: TileOverlap = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what the folder holds, what would run, and why; run nothing.")
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
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Run the line: ingest, the arms on real images, generators, synthesis and filter, the other arms, explain, report.

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
    from orchestrator.pipeline.data_steps import recognise
    from orchestrator.pipeline.settings import PipelineSettings

    if schema:
        emit(PipelineSettings.model_json_schema(), as_json, json.dumps(PipelineSettings.model_json_schema(), indent=2))
        return
    if source is None:
        right = "give a pipeline file or a folder of photographs"
        raise InvalidInput(f"nothing to run: {right}", {"source": right})
    data = {
        "layout": layout, "good": good, "masks": masks, "keep_splits": keep_splits, "fit": fit, "labels": labels,
        "groups": str(groups) if groups else "", "test_share": test_share, "validation_share": validation_share,
        "bits": bits, "tile": tile, "tile_px": tile_px, "tile_overlap": tile_overlap,
    }  # fmt: skip
    settings = read_settings(source, preset, name, allow_random_weights, data, assignments or ())
    if write is not None:
        write_pipeline_file(settings, write)
        emit({"pipeline_file": str(write)}, as_json, f"{write} is what would run; `defectory run {write}` runs it")
        return
    url = store_url(store)
    opened = open_store(url)
    if dry_run:
        emit_plan(_plan(opened, settings, first, weights), recognise(settings.data), settings.name, as_json)
        return
    emit_result(_run(url, opened, settings, first, weights), settings, as_json, store)


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
        data: settings of `data` that were given as options; those that are empty were not.
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
    given = {key: value for key, value in data.items() if value or isinstance(value, float)}
    options: dict[str, object] = {"data": given} if given else {}
    options |= {"name": name} if name else {}
    options |= {"preset": preset} if preset else {}
    options |= {"allow_random_weights": True} if allow_random_weights else {}
    values = merged(values, absolute(merged(options, assigned(assignments)), Path.cwd()))
    return resolve(values, presets.preset(str(values.get("preset") or "")))


def _plan(store: "ObjectStore", settings: "PipelineSettings", first: str, weights: str) -> "list[Decision]":
    from orchestrator.pipeline.line import line_of
    from orchestrator.pipeline.plan import make_plan
    from orchestrator.pipeline.run_record import RunRecord

    record = RunRecord(store, settings.name)
    line = line_of(settings.arms, settings.edits)
    return make_plan(line, settings, record, store.url, first=first, weights=weights_content(weights))


def _run(url: str, store: "ObjectStore", settings: "PipelineSettings", first: str, weights: str) -> "RunResult":
    from orchestrator.pipeline.clients import ServiceClients
    from orchestrator.pipeline.embedded import EmbeddedServices, log_folder
    from orchestrator.pipeline.line import line_of
    from orchestrator.pipeline.progress import Display
    from orchestrator.pipeline.runner import run_line

    with (
        Display() as display,
        EmbeddedServices(url, log_folder(url), weights=weights_file(weights), say=display.warn) as endpoints,
    ):
        services = ServiceClients(endpoints, display.warn)
        line = line_of(settings.arms, settings.edits)
        return run_line(line, store, settings, services, display, first=first, weights=weights_content(weights))


def emit_plan(plan: "list[Decision]", summary: Mapping[str, JsonValue], name: str, as_json: bool) -> None:
    """Print what was recognised in the folder, and what would run."""
    from dataclasses import asdict

    rows = [asdict(decision) for decision in plan]
    text = summary_in_words(summary) + "\n\n" + table(rows, ["step", "action", "why"])
    emit({"run": name, "source": summary, "plan": rows}, as_json, text)
