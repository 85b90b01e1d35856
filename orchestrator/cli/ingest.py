"""`defectory ingest`: a folder of photographs becomes a dataset with splits."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from orchestrator.cli.options import AsJson, Store, Verbose, new_name, opened
from orchestrator.cli.output import emit, first_of, in_lines
from orchestrator.cli.setting_options import with_settings
from orchestrator.pipeline.data_settings import DataSettings, IngestSettings

if TYPE_CHECKING:
    from orchestrator.pipeline.outputs import Ingested

NAMES = {"test_augmentations": "test_augmentation"}


@with_settings(NAMES)
def ingest(
    directory: Annotated[Path, typer.Argument(help="A folder in one of the layouts of docs/ingest.md, or a table.")],
    *,
    name: Annotated[
        str, typer.Option("--name", help="Name of the dataset; needed unless --dry-run.", callback=new_name)
    ] = "",
    store: Store = "",
    reading: IngestSettings,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is recognised and what would be left out; make nothing.")
    ] = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Read a folder of photographs into a dataset.

    What was recognised is said first: layout, labels, splits, masks, groups, and what is left out. A folder that can be
    read in several ways is refused, with the option that chooses. Broken, empty, absurdly large and foreign files are
    listed with the reason and skipped.

    \b
    defectory ingest photos/ --dry-run
    defectory ingest photos/ --name screws
    defectory ingest photos/ --name screws --groups parts.csv --labels kinds
    defectory ingest strips/ --name web --bits 12 --tile --tile-overlap 0.5
    """
    from defectory.datasets.layouts.table import TABLE_ENDINGS
    from defectory.validation import validated
    from orchestrator.cli.sources import check_exists
    from orchestrator.pipeline.data_steps import ingest_folder_outputs, recognise
    from orchestrator.pipeline.display import Display
    from orchestrator.pipeline.outcome import in_words
    from orchestrator.pipeline.progress import WatchedStep

    check_exists(directory, "folder or table", (*TABLE_ENDINGS, ".json"))
    data = validated(DataSettings, {"directory": str(directory), **reading.model_dump(exclude_unset=True)})
    if dry_run:
        summary = recognise(data)
        emit(summary, as_json, summary_in_words(summary))
        return
    if not name:
        raise typer.BadParameter("the dataset needs a name (or use --dry-run)", param_hint="--name")
    clock = time.monotonic()
    with Display(verbose=True) as display:  # what was recognised is what it is asked for
        display.started("ingest", str(directory))
        watched = WatchedStep(display, "ingest")
        result = ingest_folder_outputs(data, opened(store, make=True), name, watched.progress, watched.warn)
        for path, why in result.skipped if verbose else ():
            display.say(f"  skipped {path}: {why}")
        watched.finished(time.monotonic() - clock, in_words(result))
    emit(result.model_dump(mode="json"), as_json, _text(result))


def _text(result: "Ingested") -> str:
    """What was made, for a person: what each split holds, and where it lies."""
    splits = {
        split: f"{', '.join(f'{count} {label}' for label, count in of_split.items())}"
        + (f", of {result.independent_groups[split]} parts" if split in result.independent_groups else "")
        for split, of_split in result.counts.items()
    }
    from orchestrator.pipeline.outcome import likeness

    parts = {"parts": f"{result.parts}{likeness(result)}"} if result.by_likeness else {}
    sheet = {"photographs of one part": result.groups_uri} if result.groups_uri else {}
    skipped = {"skipped": first_of([path for path, _ in result.skipped])} if result.skipped else {}
    return in_lines({"dataset": result.dataset, **splits, **parts, **skipped, **sheet, "manifest": result.manifest_uri})


def summary_in_words(summary: Mapping[str, JsonValue]) -> str:
    """What was recognised in a folder, for a person."""
    from defectory.datasets.layouts.summary import in_words, warnings

    return "\n".join([*in_words(summary), *(f"! {text}" for text in warnings(summary))])
