"""`defectory explain`: what a classifier looked at."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from defectory.errors import InvalidInput, NotFound
from defectory.job_settings.explaining import ExplainingMany
from orchestrator.cli.options import (
    AsJson,
    Session,
    Store,
    content_of,
    dataset_uri,
    derived_request_id,
    opened,
    session,
    store_url,
)  # fmt: skip
from orchestrator.cli.output import emit
from orchestrator.cli.setting_options import with_settings

if TYPE_CHECKING:
    from defectory.api.explainer.v1.explainer_pb2 import BoxRule


class How(TypedDict):
    """How is explained, as both requests have it."""

    method: str
    box_rule: "BoxRule.ValueType"
    box_threshold: float | None


@with_settings()
def explain(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IMAGE|DATASET", help="An image file, or a dataset's name.")],
    models: Annotated[list[str], typer.Option("--model", help="Classifier; again for another beside it.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Overlay of a single image.")] = Path(
        "overlay.png"
    ),
    label: Annotated[str, typer.Option("--label", help="Label to explain; default: the predicted one.")] = "",
    split: Annotated[str, typer.Option("--split", help="Split of a dataset.")] = "test",
    *,
    how: ExplainingMany,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Show by a heatmap, with boxes, what drove a classifier's decision.

    Of a dataset, the heat of every masked image of the split is scored against its mask as well.

    \b
    defectory explain part1.png --model screws --out part1-why.png
    defectory explain part1.png --model screws --box-rule percentile --box-threshold 0.95
    defectory explain screws --model screws.baseline --model screws.expanded --limit 16
    """
    is_file = Path(source).is_file()
    manifest_uri = "" if is_file else _manifest_of(source, store)
    _check_effect(context, is_file, models)
    if is_file:
        _explain_file(Path(source), models[0], label, how, out, store_url(store), as_json)
    else:
        _explain_dataset(source, manifest_uri, models, split, how, store, as_json)


def _manifest_of(dataset: str, store: str) -> str:
    """The manifest's URI; NotFound for what is neither a file nor a dataset."""
    store_ = opened(store)
    try:
        return dataset_uri(store_, dataset)
    except NotFound as error:
        raise NotFound(f"there is no file {dataset}, and no dataset of that name in {store_.url}") from error


def _check_effect(context: typer.Context, is_file: bool, models: list[str]) -> None:
    """InvalidInput for options that would change nothing."""
    what, without = ("an image file", ("split", "limit")) if is_file else ("a dataset", ("out", "label"))
    sources = {f"--{name}": context.get_parameter_source(name) for name in without}
    given = [option for option, source in sources.items() if source is not None and source.name != "DEFAULT"]
    if given:
        right = f"leave it out: it says nothing of {what}"
        raise InvalidInput(f"{', '.join(given)}: {right}", dict.fromkeys(given, right))
    if is_file and len(models) > 1:
        right = "give one classifier; a dataset is explained with several side by side"
        raise InvalidInput(f"--model is given {len(models)} times for an image file: {right}", {"--model": right})


def _explain_file(image: Path, model: str, label: str, how: ExplainingMany, out: Path, url: str, as_json: bool) -> None:
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.api.explainer.v1 import explainer_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.pipeline.methods import EXPLAIN

    request = explainer_pb2.ExplainRequest(
        model=model, image=classifier_pb2.ImageSource(content=image.read_bytes()), label=label
    )
    request = fill(request, how)
    with session(url) as services, services.step(f"explain {image}"):
        response = services.clients.call(EXPLAIN, request)
    cells = [response.heat_rows, response.heat_columns]
    _warn_of_coarse(services, model, cells)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(response.overlay)
    boxes = [{"x": b.x, "y": b.y, "width": b.width, "height": b.height, "heat": b.heat} for b in response.boxes]
    result = {
        "model": model,
        "predicted": response.predicted_label,
        "probabilities": dict(response.probabilities),
        "label": response.label,
        "boxes": boxes,
        "cells": cells,
        "on_background": response.on_background,
        "overlay": str(out),
    }
    emit(result, as_json)


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
    as_json: bool,
) -> None:
    from defectory.api.explainer.v1 import explainer_pb2
    from defectory.job_settings.messages import fill
    from defectory.models import resolve
    from orchestrator.pipeline.methods import EXPLAIN_IMAGES

    store_ = opened(store)
    request = explainer_pb2.ExplainImagesRequest(
        models=["/".join(resolve(store_, "classifier", model)) for model in models], manifest_uri=manifest_uri,
        split=split,
    )  # fmt: skip
    request = fill(request, how)
    request.request_id = derived_request_id("explain", content_of(store_, manifest_uri), request)
    request.output_prefix = f"explanations/{request.request_id}"
    with session(store_url(store)) as services, services.step(f"explain {dataset}"):
        made = services.clients.operate(EXPLAIN_IMAGES, request, services.report)
    for model in json.loads(store_.get(store_.key(made.summary_uri)))["models"]:
        _warn_of_coarse(services, model["model"], model["cells"])
    result = {"dataset": dataset, "manifest_uri": manifest_uri, "models": list(request.models)}
    result |= {"explanations_uri": made.explanations_uri, "summary_uri": made.summary_uri, "sheet_uri": made.sheet_uri}
    emit({**result, "count": made.count}, as_json)
