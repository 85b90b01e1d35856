"""`defectory classifier`: train, evaluate, classify, list, show."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.models import list_models_of, show_model
from orchestrator.cli.options import (
    AsJson,
    Store,
    Weights,
    content_of,
    dataset_uri,
    derived_request_id,
    opened,
    session,
    store_url,
    weights_file,
)  # fmt: skip
from orchestrator.cli.output import emit, table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Classifiers: MobileNetV2 with the paper's head.")
Model = Annotated[str, typer.Argument(help='"name" (its newest version) or "name/version".')]
SHOWN = ["model", "labels", "input_px", "cycles", "weights_sha256"]


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="Dataset, by name or by its manifest's URI.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model to make.")],
    input_px: Annotated[int, typer.Option("--input", metavar="PX", help="Side in pixels; 0: the dataset's.")] = 0,
    width: Annotated[float, typer.Option("--width", help="Width multiplier; ImageNet weights need 1.")] = 1.0,
    epochs: Annotated[int, typer.Option("--epochs", help="Epochs a cycle.")] = 40,
    cycles: Annotated[int, typer.Option("--cycles", help="Trainings with different seeds.")] = 5,
    batch: Annotated[int, typer.Option("--batch", help="Images a step.")] = 32,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Of Adam.")] = 1e-5,
    steps: Annotated[int, typer.Option("--steps-per-epoch", help="0: every training image once.")] = 0,
    trainable: Annotated[str, typer.Option("--trainable-base", help="none, top or all.")] = "all",
    initial: Annotated[str, typer.Option("--initial-weights", help="imagenet or random.")] = "imagenet",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the first cycle.")] = 0,
    weights: Weights = "",
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Train a classifier in several cycles. The same command again goes on where it was stopped.

    \b
    defectory classifier train screws --name screws --epochs 40 --cycles 5
    """
    from defectory.api.classifier.v1 import classifier_pb2
    from orchestrator.pipeline.classifier_steps import training_settings
    from orchestrator.pipeline.settings import ClassifierSettings, validated

    settings = validated(
        ClassifierSettings,
        {
            "input_px": input_px, "width_multiplier": width, "epochs": epochs, "cycles": cycles, "batch": batch,
            "learning_rate": learning_rate, "trainable_base": trainable, "initial_weights": initial,
        },
    )  # fmt: skip
    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    request = classifier_pb2.TrainClassifierRequest(
        manifest_uri=manifest_uri, name=name, cycles=cycles, seed=seed,
        settings=training_settings(settings, steps, initial),
    )  # fmt: skip
    request.request_id = derived_request_id(
        "classifier-train", content_of(store_, manifest_uri), weights_file(weights), request
    )
    with session(store_url(store), weights) as services, services.step(f"classifier {name}"):
        made = services.clients.operate("classifier", "TrainClassifier", request, services.report).classifier
    result = {
        "model": f"{made.name}/{made.version}", "name": made.name, "version": made.version, "dataset": dataset,
        "manifest_uri": manifest_uri, "labels": list(made.labels), "cycles": made.cycles,
        "weights_sha256": made.weights_sha256, "metrics_uri": made.metrics_uri, "card_uri": made.card_uri,
    }  # fmt: skip
    emit(result, as_json)


@app.command()
def evaluate(
    model: Model,
    dataset: Annotated[str, typer.Option("--dataset", help="Dataset, by name or by its manifest's URI.")],
    split: Annotated[str, typer.Option("--split", help="train, validation or test.")] = "test",
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Measure a classifier on one split of a dataset.

    \b
    defectory classifier evaluate screws --dataset screws --split test
    """
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.models import resolve

    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    full = "/".join(resolve(store_, "classifier", model))
    request = classifier_pb2.EvaluateClassifierRequest(model=full, manifest_uri=manifest_uri, split=split)
    request.request_id = derived_request_id("evaluate", content_of(store_, manifest_uri), request)
    with session(store_url(store)) as services, services.step(f"evaluate {full}"):
        response = services.clients.operate("classifier", "EvaluateClassifier", request, services.report)
    result = {"model": full, "dataset": dataset, "manifest_uri": manifest_uri, "split": split}
    emit({**result, "metrics": dict(response.metrics), "evaluation_uri": response.evaluation_uri}, as_json)


@app.command()
def classify(
    model: Model,
    images: Annotated[list[str], typer.Argument(help="Image files, or URIs of the store.")],
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Classify images.

    \b
    defectory classifier classify screws part1.png part2.jpg
    """
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.errors import NotFound

    missing = [image for image in images if "://" not in image and not Path(image).is_file()]
    if missing:
        raise NotFound(f"there is no file {missing[0]}")
    sources = [
        classifier_pb2.ImageSource(uri=image)
        if "://" in image
        else classifier_pb2.ImageSource(content=Path(image).read_bytes())
        for image in images
    ]
    request = classifier_pb2.ClassifyRequest(model=model, images=sources)
    with session(store_url(store)) as services:
        response = services.clients.call("classifier", "Classify", request)
    rows = [
        {
            "image": image,
            "label": c.label,
            "decision": c.decision,
            "probability": c.probabilities[c.label],
            "probabilities": dict(c.probabilities),
        }
        for image, c in zip(images, response.classifications, strict=True)
    ]
    result = {"model": model, "version": response.model_version, "count": len(rows), "classifications": rows}
    emit(result, as_json, table(list(rows), ["image", "label", "probability", "decision"]))


@app.command()
def label(
    model: Annotated[str, typer.Argument(help='"name/version".')],
    label: Annotated[str, typer.Argument(help="stable or canary.")],
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Give a version a label. "stable" is what a served model answers with when no version is named.

    \b
    defectory classifier label screws/3 stable
    """
    from defectory.models import set_label

    emit({"model": model.partition("/")[0], "labels": set_label(opened(store), "classifier", model, label)}, as_json)


@app.command(name="list")
def list_(store: Store = "", as_json: AsJson = False) -> None:
    """List the classifiers in the store."""
    list_models_of(opened(store), "classifier", SHOWN, as_json)


@app.command()
def show(model: Model, store: Store = "", as_json: AsJson = False) -> None:
    """Show a classifier's card: its weights' sha256, labels, settings and lineage."""
    show_model(opened(store), "classifier", model, as_json)
