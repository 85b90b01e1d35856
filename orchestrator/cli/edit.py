"""`defectory edit`: defects by recipe and by hand, from training pictures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectory.storage import ObjectStore
from orchestrator.cli.options import (
    AsJson,
    Store,
    Verbose,
    dataset_uri,
    derived_request_id,
    new_name,
    opened,
    session,
    store_url,
)
from orchestrator.cli.output import emit
from orchestrator.cli.work import work

if TYPE_CHECKING:
    from defectory.datasets.manifest_line import ManifestLine
    from orchestrator.edits.hand_import import Question

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Edited pictures: by recipe, and by hand (docs/edits.md)."
)
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="Its name, or the URI of its manifest.")]
Name = Annotated[str, typer.Option("--name", help="Name of the dataset to write.", callback=new_name)]


@app.command()
def recipe(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE.yaml", help="Which edits, and their ranges (docs/edits.md).")
    ],
    dataset: Dataset,
    name: Name,
    count: Annotated[int, typer.Option("--count", metavar="N", help="Pictures to make.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same pictures.")] = 0,
    around: Annotated[
        str, typer.Option("--around", metavar="masks|heat", help="Where defects lie; else as the recipe says.")
    ] = "",
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Classifier whose heat it is.")] = "",
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Make edited pictures of a dataset's training pictures: defects copied, repeated, changed, removed, …

    They are a dataset of their own, all for training, with masks, and each with its parents and its edit. The same
    command again makes the same.

    \b
    defectory edit recipe defects.yaml tiles --count 500 --name tiles-edited
    defectory edit recipe defects.yaml cells --count 500 --name cells-edited --around heat --model cells
    """
    from defectory.errors import InvalidInput
    from defectory.validation import validated
    from orchestrator.cli.sources import PIPELINES, check_is_file
    from orchestrator.edits.heat import without_masks
    from orchestrator.edits.making import edit_by_recipe
    from orchestrator.edits.recipe import EditRecipe, read_recipe

    check_is_file(recipe, "recipe", PIPELINES)
    settings, store_ = read_recipe(recipe), opened(store)
    if around:
        settings = validated(EditRecipe, {**settings.model_dump(), "around": around})
    source = dataset_uri(store_, dataset)
    lines, by_heat = _lines(store_, source), frozenset[str]()
    if settings.around == "heat":
        if not model:
            right = "name a classifier that was trained on the dataset: --model NAME"
            raise InvalidInput(f"heat is a classifier's, and none is named: {right}", {"model": right})
        by_heat = frozenset(line.file.sha256 for line in without_masks(lines))
        lines = _by_heat(store_, store, lines, source, model, name, verbose)
    with work("edit", f"{count} pictures of {dataset}", verbose=verbose) as editing:
        edited = edit_by_recipe(
            store_, lines, settings, name, source=source, count=count, seed=seed, by_heat=by_heat,
            report=editing.counting("editing", "pictures"),
        )  # fmt: skip
        for note in edited.notes:
            editing.warn(note)
        editing.came_of_it = f"{edited.images} pictures"
    result = {
        "dataset": name, "manifest_uri": edited.manifest_uri, "content_hash": edited.content_hash,
        "images": edited.images, "by_edit": edited.by_edit, "seam": edited.seam, "notes": edited.notes,
    }  # fmt: skip
    emit(result, as_json)


@app.command()
def export(
    dataset: Dataset,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A folder that is empty or not there.")],
    choose: Annotated[
        list[str] | None,
        typer.Option("--choose", metavar="WHAT", help="A label, a kind, a file, or a SHA-256's beginning; repeatable."),
    ] = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=0, help="Draw so many of them; 0: all.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draw.")] = 0,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Write training pictures into a folder, for a person to edit with GIMP, Krita or another editor.

    They have their own size and depth, as PNG. Flatten an image before you export it, keep its name and its size.

    \b
    defectory edit export tiles --choose good --count 50 --out build/by-hand
    """
    from orchestrator.cli.destinations import folder_to_write
    from orchestrator.edits.hand_export import export_for_hand

    out = folder_to_write(out)
    store_ = opened(store)
    source = dataset_uri(store_, dataset)
    with work("export", str(out), verbose=verbose) as exporting:
        exported = export_for_hand(
            store_, _lines(store_, source), out, source=source, choose=choose or [], count=count, seed=seed,
            report=exporting.counting("writing files", "files"),
        )  # fmt: skip
        exporting.came_of_it = f"{exported.files} files"
    emit({"dataset": dataset, "out": str(out), "files": exported.files, "of_16_bits": exported.of_16_bits}, as_json)


@app.command(name="import")
def import_(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `edit export` wrote.")],
    name: Name,
    label: Annotated[
        str, typer.Option("--label", metavar="LABEL|KIND", help="What edits show that may show something else now.")
    ] = "",
    person: Annotated[str, typer.Option("--person", help="Who edited them; else the user's name.")] = "",
    editor: Annotated[str, typer.Option("--editor", help="Program, of files that do not say it.")] = "",
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Take back what a person edited: a dataset of training pictures with masks of what was changed.

    Where a good part was changed, or a defect painted over, the label is asked for, or taken from --label. Files in
    which nothing or nearly everything differs from their originals are listed and left out.

    \b
    defectory edit import build/by-hand --name tiles-by-hand
    defectory edit import build/by-hand --name tiles-by-hand --label crack --person "R. Hooke"
    """
    from getpass import getuser

    from orchestrator.edits.hand_import import import_from_hand, read_index

    store_ = opened(store)
    index = read_index(store_, directory)
    with work("import", str(directory), verbose=verbose) as importing:
        imported = import_from_hand(
            store_, directory, index, _lines(store_, index.manifest_uri), name,
            person=person or getuser(), editor=editor, ask=lambda question: label or _asked(question),
            report=importing.counting("comparing", "files"),
        )  # fmt: skip
        for file, why in imported.left_out:
            importing.warn(f"left out: {file}: {why}")
        importing.came_of_it = f"{imported.images} pictures, {len(imported.left_out)} files left out"
    result = {
        "dataset": name, "manifest_uri": imported.manifest_uri, "content_hash": imported.content_hash,
        "images": imported.images, "editors": imported.editors, "left_out": imported.left_out, "notes": imported.notes,
    }  # fmt: skip
    emit(result, as_json)


def _by_heat(
    store: ObjectStore, given: str, lines: "list[ManifestLine]", uri: str, model: str, name: str, verbose: bool
) -> "list[ManifestLine]":
    """The lines with masks of a classifier's heat where defects have none; needs the explainer."""
    from defectory.datasets.manifest import content_hash
    from defectory.models import resolve
    from orchestrator.pipeline.edit_steps import lines_by_heat

    full_name = "/".join(resolve(store, "classifier", model))
    request_id = derived_request_id("heat", content_hash(lines), full_name, name)
    with session(store_url(given), verbose=verbose) as services, services.step(f"heat of {model}"):
        return lines_by_heat(store, services.clients, lines, uri, full_name, name, request_id, services.report)


def _asked(question: "Question") -> str:
    """A person's answer; InvalidInput where nobody is there to give one."""
    from defectory.errors import InvalidInput

    text = f"{question.file}: {question.why} ({question.share:.1%} of it). Label or kind"
    if not sys.stdin.isatty():
        right = "say it with --label LABEL, or import at a terminal"
        raise InvalidInput(f"{text}? {right}", {"label": right})
    return str(typer.prompt(text, default=question.kind or question.label, err=True))


def _lines(store: ObjectStore, uri: str) -> "list[ManifestLine]":
    from defectory.datasets.manifest import read_manifest
    from defectory.settings import reading_from_environment

    return read_manifest(store, uri, reading_from_environment())
