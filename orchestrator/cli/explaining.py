"""`defectory explain`: what a classifier looked at."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import (
    AsJson,
    Store,
    content_of,
    dataset_uri,
    derived_request_id,
    opened,
    session,
    store_url,
)  # fmt: skip
from orchestrator.cli.output import emit


def explain(
    source: Annotated[str, typer.Argument(metavar="IMAGE|DATASET", help="An image file, or a dataset's name.")],
    models: Annotated[list[str], typer.Option("--model", help="Classifier; again for another beside it.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Overlay of a single image.")] = Path(
        "overlay.png"
    ),
    label: Annotated[str, typer.Option("--label", help="Label to explain; default: the predicted one.")] = "",
    split: Annotated[str, typer.Option("--split", help="Split of a dataset.")] = "test",
    limit: Annotated[int, typer.Option("--limit", help="Images of a dataset, evenly over its labels.")] = 16,
    box_threshold: Annotated[float, typer.Option("--box-threshold", help="Share of the maximum heat.")] = 0.15,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Show by Grad-CAM, with boxes, what drove a classifier's decision.

    \b
    defectory explain part1.png --model screws --out part1-why.png
    defectory explain screws --model screws-baseline --model screws-expanded --limit 16
    """
    if Path(source).is_file():
        _explain_file(Path(source), models[0], label, box_threshold, out, store_url(store), as_json)
    else:
        _explain_dataset(source, models, split, limit, box_threshold, store, as_json)


def _explain_file(
    image: Path, model: str, label: str, box_threshold: float, out: Path, url: str, as_json: bool
) -> None:
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.api.explainer.v1 import explainer_pb2

    request = explainer_pb2.ExplainRequest(
        model=model, image=classifier_pb2.ImageSource(content=image.read_bytes()), label=label,
        box_threshold=box_threshold,
    )  # fmt: skip
    with session(url) as services:
        response = services.clients.call("explainer", "Explain", request)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(response.overlay)
    boxes = [{"x": b.x, "y": b.y, "width": b.width, "height": b.height, "heat": b.heat} for b in response.boxes]
    result = {"model": model, "predicted": response.predicted_label, "probabilities": dict(response.probabilities)}
    emit({**result, "label": response.label, "boxes": boxes, "overlay": str(out)}, as_json)


def _explain_dataset(
    dataset: str, models: list[str], split: str, limit: int, box_threshold: float, store: str, as_json: bool
) -> None:
    from defectory.api.explainer.v1 import explainer_pb2
    from defectory.models import resolve

    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    request = explainer_pb2.ExplainImagesRequest(
        models=["/".join(resolve(store_, "classifier", model)) for model in models], manifest_uri=manifest_uri,
        split=split, limit=limit, box_threshold=box_threshold,
    )  # fmt: skip
    request.request_id = derived_request_id("explain", content_of(store_, manifest_uri), request)
    request.output_prefix = f"explanations/{request.request_id}"
    with session(store_url(store)) as services, services.step(f"explain {dataset}"):
        made = services.clients.operate("explainer", "ExplainImages", request, services.report)
    result = {"dataset": dataset, "manifest_uri": manifest_uri, "models": list(request.models)}
    emit({**result, "explanations_uri": made.explanations_uri, "count": made.count}, as_json)
