"""`defectory classifier …`: train, evaluate, classify, list, show."""

from pathlib import Path
from typing import Annotated

import typer

from defectory.errors import NotFound
from orchestrator.cli.common import (
    JsonOption,
    StoreOption,
    WeightsOption,
    call,
    manifest_uri,
    message_values,
    open_named,
    operate,
    tell,
)

app = typer.Typer(help="Train, measure and use classifiers.", no_args_is_help=True)


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="Dataset, by name or manifest URI.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    epochs: Annotated[int, typer.Option(help="Epochs a cycle.")] = 40,
    cycles: Annotated[int, typer.Option(help="Training cycles with different seeds.")] = 5,
    learning_rate: Annotated[float, typer.Option(help="Learning rate (Adam).")] = 1e-5,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 32,
    base: Annotated[str, typer.Option(help="Layers of the base that are trained: none, top or all.")] = "all",
    width: Annotated[float, typer.Option(help="Width multiplier of MobileNetV2.")] = 1.0,
    initial_weights: Annotated[str, typer.Option(help="imagenet or random.")] = "imagenet",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first cycle.")] = 0,
    weights: WeightsOption = "",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Train a MobileNetV2 classifier in several cycles. The same command again goes on where it was.

    Example: defectory classifier train cable --name baseline --cycles 5
    """
    from defectory.api.classifier.v1 import classifier_pb2 as pb

    opened = open_named(store)
    settings = pb.TrainingSettings(
        epochs=epochs, learning_rate=learning_rate, batch=batch, trainable_base=base, width_multiplier=width,
        initial_weights=initial_weights,
    )  # fmt: skip
    request = pb.TrainClassifierRequest(
        manifest_uri=manifest_uri(opened, dataset), name=name, settings=settings, cycles=cycles, seed=seed
    )
    made = operate(opened, "classifier", "TrainClassifier", request, weights).classifier
    tell({"model": made.name, **message_values(made)}, as_json)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="Classifier, NAME or NAME/VERSION.")],
    dataset: Annotated[str, typer.Option(help="Dataset, by name or manifest URI.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Measure a classifier on one split: every cycle, mean and 95% interval.

    Example: defectory classifier evaluate baseline --dataset cable
    """
    from defectory.api.classifier.v1 import classifier_pb2 as pb

    opened = open_named(store)
    request = pb.EvaluateClassifierRequest(model=model, manifest_uri=manifest_uri(opened, dataset), split=split)
    response = operate(opened, "classifier", "EvaluateClassifier", request)
    tell({"model": model, "metrics": dict(response.metrics), "evaluation_uri": response.evaluation_uri}, as_json)


@app.command()
def classify(
    model: Annotated[str, typer.Argument(help="Classifier, NAME or NAME/VERSION.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Classify image files.

    Example: defectory classifier classify expanded part1.png part2.jpg
    """
    from defectory.api.classifier.v1 import classifier_pb2 as pb

    for path in images:
        if not path.is_file():
            raise NotFound(f"{path}: there is no such file")
    request = pb.ClassifyRequest(model=model, images=[pb.ImageSource(content=path.read_bytes()) for path in images])
    response = call(open_named(store), "classifier", "Classify", request)
    answers = dict(zip(map(str, images), response.classifications, strict=True))
    if as_json:
        tell(
            {
                "model": model,
                "version": response.model_version,
                "images": {
                    path: {"label": a.label, "probabilities": dict(a.probabilities)} for path, a in answers.items()
                },
            },
            as_json,
        )
    else:
        tell({path: f"{a.label} ({a.probabilities[a.label]:.1%})" for path, a in answers.items()}, as_json)


@app.command("list")
def list_all(store: StoreOption = "", as_json: JsonOption = False) -> None:
    """List the classifiers in the store."""
    from defectory.api.classifier.v1 import classifier_pb2 as pb

    request = pb.ListClassifiersRequest(page_size=1000)
    found = call(open_named(store), "classifier", "ListClassifiers", request).classifiers
    if as_json:
        tell({"classifiers": [message_values(c) for c in found]}, as_json)
    else:
        tell({f"{c.name}/{c.version}": f"{', '.join(c.labels)}; {c.input_px} px" for c in found}, as_json)


@app.command()
def show(model: Annotated[str, typer.Argument()], store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Show one classifier's card.

    Example: defectory classifier show expanded --json
    """
    from defectory.api.classifier.v1 import classifier_pb2 as pb

    made = call(open_named(store), "classifier", "GetClassifier", pb.GetClassifierRequest(model=model)).classifier
    tell({"model": made.name, **message_values(made)}, as_json)
