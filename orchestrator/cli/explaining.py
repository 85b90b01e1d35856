"""`defectory explain`: what a classifier looked at."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from defectory.errors import InvalidInput, NotFound
from defectory.exit_codes import EXIT_CODES
from defectory.job_settings.choices import SplitName
from defectory.job_settings.explaining import ExplainingMany
from defectory.models import resolve
from defectory.storage.places import path_or_uri
from defectory.storage.references import read_json
from orchestrator.cli.options import (
    AsJson,
    Session,
    Store,
    Verbose,
    content_of,
    dataset_uri,
    derived_request_id,
    opened,
    session,
    store_url,
)  # fmt: skip
from orchestrator.cli.output import emit, in_lines, table
from orchestrator.cli.setting_options import choice, with_settings

if TYPE_CHECKING:
    pass


OVERLAY = "overlay.png"  # of one image, where nobody names another


class Boxed(TypedDict):
    """A box in the picture's pixels, and the mean and highest heat of what is coloured in it, in [0, 1]."""

    x: int
    y: int
    width: int
    height: int
    heat: float
    peak: float


class Explained(TypedDict):
    """An image's explanation, as it is printed."""

    image: str
    model: str
    predicted: str
    probabilities: dict[str, float]
    label: str
    boxes: list[Boxed]
    cells: list[int]
    on_background: bool
    unclear: str
    overlay: str


@with_settings()
def explain(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="IMAGE|DIR|DATASET", help="An image file, a folder of them, or a dataset's name.")
    ],
    models: Annotated[list[str], typer.Option("--model", help="Classifier; again for another beside it.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE|DIR", help="Overlay of an image (overlay.png), those of a DIR (overlays)."),
    ] = None,
    label: Annotated[str, typer.Option("--label", help="Label to explain; default: the predicted one.")] = "",
    split: Annotated[SplitName, choice("--split", SplitName, "Split of a dataset.")] = "test",
    *,
    how: ExplainingMany,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Show by a heatmap, with boxes, what drove a classifier's decision.

    Of a dataset, the heat of every masked image of the split is scored against its mask as well. Of a folder, an image
    that is broken is named, the others are explained, and the exit code is 3.

    \b
    defectory explain part1.png --model screws --out part1-why.png
    defectory explain shots/ --model screws --out why
    defectory explain part1.png --model screws --box-rule percentile --box-threshold 0.95
    defectory explain screws --model screws.baseline --model screws.expanded --limit 16
    """
    from orchestrator.cli.destinations import file_to_write, folder_to_write

    images = _images_of(source, store)
    manifest_uri = "" if images else _manifest_of(source, store)
    _check_effect(context, bool(images), models)
    if images and not os.environ.get("DEFECTORY_EXPLAINER_ADDRESS"):
        resolve(opened(store), "classifier", models[0])  # first: for one that is not there no explainer is started
    if Path(source).is_file():
        file = file_to_write(out or Path(OVERLAY), OVERLAY)
        (one,), _ = _explain_files({source: file}, models[0], label, how, store_url(store), verbose)
        emit(one, as_json, _in_words(one))
    elif images:
        folder = folder_to_write(out or Path("overlays"))
        outs = {image: _beside(folder, Path(image).relative_to(source)) for image in images}
        _emit_folder(*_explain_files(outs, models[0], label, how, store_url(store), verbose), as_json)
    else:
        _explain_dataset(source, manifest_uri, models, split, how, store, verbose, as_json)


def _images_of(source: str, store: str) -> list[str]:
    """The image files that are meant: one, or those of a folder; none where it is a dataset.

    A dataset comes before the folder of its name, which it is often made from: `photos/` is the folder.
    """
    from orchestrator.cli.pictures import named

    if Path(source).is_file():
        return [source]
    if not Path(source).is_dir():
        return []
    if "/" not in source:
        with suppress(NotFound, InvalidInput):
            _manifest_of(source, store)
            return []
    return named([source]).images


def _beside(folder: Path, image: Path) -> Path:
    """Where the overlay of a folder's image goes: `a/part.jpg` to `a/part.jpg.png`, so that no two share one."""
    return folder / image.parent / f"{image.name}.png"


def _manifest_of(dataset: str, store: str) -> str:
    """The manifest's URI; NotFound for what is neither a file nor a dataset."""
    from defectory.alike import did_you_mean
    from defectory.datasets.listing import dataset_names
    from orchestrator.cli.pictures import SUFFIXES
    from orchestrator.cli.sources import meant_path

    store_ = opened(store)
    try:
        return dataset_uri(store_, dataset)
    except NotFound as error:
        meant = meant_path(Path(dataset), SUFFIXES) or did_you_mean(dataset, dataset_names(store_))
        raise NotFound(
            f"there is no file {dataset}, and no dataset of that name in {path_or_uri(store_.url)}{meant}"
        ) from error


def _check_effect(context: typer.Context, of_files: bool, models: list[str]) -> None:
    """InvalidInput for options that would change nothing."""
    what, without = ("an image file", ("split", "limit")) if of_files else ("a dataset", ("out", "label"))
    sources = {f"--{name}": context.get_parameter_source(name) for name in without}
    given = [option for option, source in sources.items() if source is not None and source.name != "DEFAULT"]
    if given:
        right = f"leave it out: it says nothing of {what}"
        raise InvalidInput(f"{', '.join(given)}: {right}", dict.fromkeys(given, right))
    if of_files and len(models) > 1:
        right = "give one classifier; a dataset is explained with several side by side"
        raise InvalidInput(f"--model is given {len(models)} times for an image file: {right}", {"--model": right})


def _explain_files(
    outs: Mapping[str, Path], model: str, label: str, how: ExplainingMany, url: str, verbose: bool
) -> tuple[list[Explained], list[dict[str, str]]]:
    """Explain images in one session; a single one that cannot be is an error, of several it is named.

    Args:
        outs: image -> where its overlay goes.
    """
    from orchestrator.cli.pictures import OF_ONE_IMAGE
    from orchestrator.pipeline.progress import Report

    explanations: list[Explained] = []
    failed: list[dict[str, str]] = []
    cells: set[tuple[int, int]] = set()
    what = next(iter(outs)) if len(outs) == 1 else f"{len(outs)} images"
    with session(url, verbose=verbose) as services, services.step(f"explain {what}"):
        for image, out in outs.items():
            try:
                explanation, cells_of_it = _explained(services, Path(image), model, label, how, out)
            except OF_ONE_IMAGE as error:
                if len(outs) == 1 or not error.fields.keys() & {"image"}:
                    raise
                failed.append({"image": image, "error": str(error)})
            else:
                explanations.append(explanation)
                cells.add(cells_of_it)
            services.report(Report("explaining", len(explanations) + len(failed), len(outs), "images"))
        for rows, columns in sorted(cells):
            _warn_of_coarse(services, model, [rows, columns])
    return explanations, failed


def _explained(
    services: Session, image: Path, model: str, label: str, how: ExplainingMany, out: Path
) -> tuple[Explained, tuple[int, int]]:
    """Explain one image file, and write its overlay: what came of it, and the rows and columns of its heat."""
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.api.explainer.v1 import explainer_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.cli.destinations import write_files
    from orchestrator.pipeline.methods import EXPLAIN

    request = explainer_pb2.ExplainRequest(
        model=model, image=classifier_pb2.ImageSource(content=image.read_bytes()), label=label
    )
    response = services.clients.call(EXPLAIN, fill(request, how))
    write_files(out.parent, {out.name: response.overlay})
    boxes: list[Boxed] = [
        {"x": b.x, "y": b.y, "width": b.width, "height": b.height, "heat": b.heat, "peak": b.peak}
        for b in response.boxes
    ]
    cells = response.heat_rows, response.heat_columns
    explanation: Explained = {
        "image": str(image),
        "model": model,
        "predicted": response.predicted_label,
        "probabilities": dict(response.probabilities),
        "label": response.label,
        "boxes": boxes,
        "cells": list(cells),
        "on_background": response.on_background,
        "unclear": response.unclear,
        "overlay": str(out),
    }
    return explanation, cells


def _in_words(one: Explained) -> str:
    """An image's explanation for a person: the answer, where the reasons lie, and how far that can be believed."""
    sure = sorted(one["probabilities"].items(), key=lambda item: -item[1])
    answer = ", ".join(f"{label} {probability:.0%}" for label, probability in sure)
    boxes = [
        f"{b['width']} x {b['height']} px, {b['x']} from the left and {b['y']} from the top "
        f"(where coloured: heat up to {b['peak']:.0%}, {b['heat']:.0%} on average)"
        for b in one["boxes"]
    ]
    where = "; ".join(boxes) or "no box: no place stands out"
    if one["on_background"]:
        where += "; most of it is on the background"
    lines = {
        "image": one["image"],
        "answer": f"{one['predicted']} ({answer}), by {one['model']}",
        f"why {one['label']}": one["unclear"] or where,
        "picture": one["overlay"],
    }
    return in_lines(lines)


def _emit_folder(explanations: list[Explained], failed: list[dict[str, str]], as_json: bool) -> None:
    """Print what a folder's images show; those that could not be explained make the exit code that of a bad input."""
    for one in failed:
        sys.stderr.write(f"error: {one['image']}: {one['error']}\n")
    text = table(explanations, ["image", "predicted", "label", "unclear", "overlay"])
    emit({"explanations": explanations, "failed": failed, "count": len(explanations)}, as_json, text)
    if failed:
        raise typer.Exit(EXIT_CODES[InvalidInput])


def _warn_of_coarse(services: Session, model: str, cells: list[int]) -> None:
    """Of heat that says nothing of where: with one cell, the whole picture is as hot."""
    from defectory.job_settings.explaining import FEWEST_CELLS
    from orchestrator.report.heat import too_coarse

    if 0 < cells[0] * cells[1] < FEWEST_CELLS:
        services.warn(f"{model}: {too_coarse((cells[0], cells[1]))}")


def _explain_dataset(
    dataset: str,
    manifest_uri: str,
    models: list[str],
    split: str,
    how: ExplainingMany,
    store: str,
    verbose: bool,
    as_json: bool,
) -> None:
    from defectory.api.explainer.v1 import explainer_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.pipeline.methods import EXPLAIN_IMAGES

    store_ = opened(store)
    request = explainer_pb2.ExplainImagesRequest(
        models=["/".join(resolve(store_, "classifier", model)) for model in models], manifest_uri=manifest_uri,
        split=split,
    )  # fmt: skip
    request = fill(request, how)
    request.request_id = derived_request_id("explain", content_of(store_, manifest_uri), request)
    request.output_prefix = f"explanations/{request.request_id}"
    with session(store_url(store), verbose=verbose) as services, services.step(f"explain {dataset}"):
        explained = services.clients.operate(EXPLAIN_IMAGES, request, services.report)
    for model in read_json(store_, explained.summary_uri)["models"]:
        _warn_of_coarse(services, model["model"], model["cells"])
    result = {"dataset": dataset, "manifest_uri": manifest_uri, "models": list(request.models)}
    result |= {
        "explanations_uri": explained.explanations_uri,
        "summary_uri": explained.summary_uri,
        "sheet_uri": explained.sheet_uri,
    }
    words = {
        "dataset": f"{dataset}, {explained.count} images of its {split} split",
        "models": ", ".join(request.models),
        "sheet": explained.sheet_uri,
        "every image": explained.explanations_uri,
        "in figures": explained.summary_uri,
    }
    emit({**result, "count": explained.count}, as_json, in_lines(words))
