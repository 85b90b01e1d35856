"""`defectory classifier`: train, calibrate, evaluate, export, classify, list, show."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from defectory.errors import InvalidInput
from defectory.exit_codes import EXIT_CODES
from defectory.job_settings.classifier_training import ClassifierTraining, FoldedCycles
from defectory.storage import ObjectStore
from defectory.storage.taking import take_files
from orchestrator.cli.models import list_models_of, show_model
from orchestrator.cli.options import (
    AsJson,
    Session,
    Store,
    Verbose,
    Weights,
    content_of,
    dataset_uri,
    derived_request_id,
    opened,
    session,
    store_url,
    weights_content,
)  # fmt: skip
from orchestrator.cli.output import emit, in_lines, table
from orchestrator.cli.sections import in_sections
from orchestrator.cli.setting_options import with_settings

if TYPE_CHECKING:
    from defectory.api.classifier.v1.classifier_pb2 import Classification

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Classifiers: MobileNetV2 with the paper's head.")
MODEL_HELP = '"name" (its version labelled stable, else the newest), "name/version" or "name/label".'
Model = Annotated[str, typer.Argument(help=MODEL_HELP)]
TARGET_HELP = "What the operating point has to meet: recall=0.99 (defects caught) or overkill=0.02 (good rejected)."
CALL_IMAGES, CALL_BYTES = 256, 32 << 20  # of a call to Classify
SKIPPED_NAMES = 3  # that are shown
DECIDED: Literal["decision_agreement"] = (
    "decision_agreement"  # of an export; absent where the model has no operating point
)
SHOWN = ["model", "labels", "input_px", "cycles", "weights_sha256"]


@app.command()
@with_settings({"input_px": "input", "width_multiplier": "width", "good_label": "good"})
def train(
    dataset: Annotated[str, typer.Argument(help="Dataset, by name or by its manifest's URI.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model to make.")],
    training: ClassifierTraining,
    cycles: FoldedCycles,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**62, help="Seed of the first cycle.")] = 0,
    weights: Weights = "",
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Train a classifier in several cycles. The same command again goes on where it was stopped.

    \b
    defectory classifier train screws --name screws --target recall=0.99
    defectory classifier train screws --name screws-judge --cycles 3 --folds 3 --at-once 2 --l2 0.001
    """
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.pipeline.classifier_steps import began_from
    from orchestrator.pipeline.methods import TRAIN_CLASSIFIER

    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    request = classifier_pb2.TrainClassifierRequest(
        manifest_uri=manifest_uri, name=name, seed=seed, settings=fill(classifier_pb2.TrainingSettings(), training)
    )
    request = fill(request, cycles)
    request.request_id = derived_request_id(
        "classifier-train", content_of(store_, manifest_uri), weights_content(weights), request
    )
    with session(store_url(store), weights, verbose=verbose) as services, services.step(f"classifier {name}"):
        trained = services.clients.operate(TRAIN_CLASSIFIER, request, services.report).classifier
        if began_from(trained, training.initial_weights) == "starter" and training.initial_weights == "imagenet":
            services.warn(
                "no ImageNet weights were found: it started from the starter classifier, which learned from drawn parts"
            )
    result = {
        "model": f"{trained.name}/{trained.version}", "name": trained.name, "version": trained.version,
        "dataset": dataset, "initial_weights": began_from(trained, training.initial_weights),
        "manifest_uri": manifest_uri, "labels": list(trained.labels), "cycles": trained.cycles,
        "weights_sha256": trained.weights_sha256, "metrics_uri": trained.metrics_uri, "card_uri": trained.card_uri,
        **_acceptance(store_, trained.card_uri),
        "skipped": json.loads(store_.get(store_.key(trained.metrics_uri)))["skipped"],
    }  # fmt: skip
    emit(result, as_json, in_lines({**result, "skipped": _skipped(result["skipped"])}))


def _skipped(images: list[tuple[str, str]]) -> str:
    """How many images could not be read, and the first of them."""
    return _first_of([uri.rpartition("/")[2] for uri, _ in images])


def _first_of(names: list[str]) -> str:
    """How many, and the first of them."""
    shown = ", ".join(names[:SKIPPED_NAMES])
    return f"{len(names)}: {shown}{', …' if len(names) > SKIPPED_NAMES else ''}" if names else "0"


def _acceptance(store: ObjectStore, card_uri: str) -> dict[str, object]:
    """Calibration and operating point as the card has them, for a person."""
    card = json.loads(store.get(store.key(card_uri)))
    point = card["operating_point"]
    result: dict[str, object] = {
        "temperature": card["calibration"]["temperature"],
        "ece": {key: card["calibration"]["validation"][key] for key in ("ece_before", "ece_after")},
        "threshold": point and point["threshold"],
    }
    for split in ("validation", "test"):
        for error in ("escape", "overkill"):
            if point and point[split]:
                rate = point[split][error]
                share = f"{rate['count'] / rate['of']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"
                result[f"{error}_{split}"] = f"{rate['count']} of {rate['of']}: {share}"
    return result


@app.command()
def calibrate(
    model: Model,
    dataset: Annotated[str, typer.Option("--dataset", help="Dataset, by name or by its manifest's URI.")],
    target: Annotated[str, typer.Option("--target", help=TARGET_HELP)] = "",
    good: Annotated[str, typer.Option("--good", metavar="LABEL", help="Label of good parts; else as trained.")] = "",
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Fit the calibration and the operating point anew on validation images: a new version, the same weights.

    \b
    defectory classifier calibrate screws --dataset screws --target overkill=0.02
    """
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.models import resolve
    from orchestrator.pipeline.methods import CALIBRATE_CLASSIFIER

    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    full = "/".join(resolve(store_, "classifier", model))
    request = classifier_pb2.CalibrateClassifierRequest(
        model=full, manifest_uri=manifest_uri, target=target, good_label=good
    )
    request.request_id = derived_request_id("calibrate", content_of(store_, manifest_uri), request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"calibrate {full}"):
        calibrated = services.clients.operate(CALIBRATE_CLASSIFIER, request, services.report).classifier
    version = f"{calibrated.name}/{calibrated.version}"
    result = {"model": version, "weights_of": full, "dataset": dataset, "card_uri": calibrated.card_uri}
    emit({**result, **_acceptance(store_, calibrated.card_uri)}, as_json)


@app.command()
def export(
    model: Model,
    format_: Annotated[str, typer.Option("--format", help="saved-model, tflite, tflite-int8 or onnx.")],
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="Folder that gets a folder of the format, with the files.")
    ] = "",
    dataset: Annotated[str, typer.Option("--dataset", help="Its test images check; else the one trained on.")] = "",
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Write a classifier for other software, and check it against the original on the test images.

    \b
    defectory classifier export screws --format onnx --out build/screws
    """
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.models import resolve
    from orchestrator.pipeline.methods import EXPORT_CLASSIFIER

    store_ = opened(store)
    full = "/".join(resolve(store_, "classifier", model))
    manifest_uri = dataset_uri(store_, dataset) if dataset else ""
    request = classifier_pb2.ExportClassifierRequest(model=full, format=format_, manifest_uri=manifest_uri)
    content = content_of(store_, manifest_uri) if manifest_uri else ""
    request.request_id = derived_request_id("export", content, request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"export {full}"):
        exported = services.clients.operate(EXPORT_CLASSIFIER, request, services.report)
        if exported.differs:
            decided = f", and decides on {exported.decision_agreement:.0%} alike" if exported.HasField(DECIDED) else ""
            services.doubt(
                f"of {exported.images} test images the {format_} gives {exported.agreement:.0%} the original's label"
                f"{decided}: do not use it in the original's place; a format of floating-point numbers does agree"
            )
    if out:
        inside = {uri: uri.removeprefix(f"{exported.uri}/") for uri in exported.files}
        take_files(store_, [(uri, Path(out, format_, path), "") for uri, path in inside.items()])
    result = {
        "model": full, "format": format_, "uri": exported.uri, "files": len(exported.files),
        "out": str(Path(out, format_)) if out else "",
        "test_images": exported.images, "accuracy": exported.accuracy, "exported_accuracy": exported.exported_accuracy,
        "agreement": exported.agreement, "agreements": dict(exported.agreements), "sound": not exported.differs,
        "decision_agreement": exported.decision_agreement if exported.HasField(DECIDED) else None,
        "max_difference": exported.max_difference,
    }  # fmt: skip
    emit(result, as_json)


@app.command()
def evaluate(
    model: Model,
    dataset: Annotated[str, typer.Option("--dataset", help="Dataset, by name or by its manifest's URI.")],
    split: Annotated[str, typer.Option("--split", help="train, validation or test.")] = "test",
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Measure a classifier on one split of a dataset.

    \b
    defectory classifier evaluate screws --dataset screws --split test
    """
    from defectory.api.classifier.v1 import classifier_pb2
    from defectory.models import resolve
    from orchestrator.pipeline.methods import EVALUATE_CLASSIFIER

    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    full = "/".join(resolve(store_, "classifier", model))
    request = classifier_pb2.EvaluateClassifierRequest(model=full, manifest_uri=manifest_uri, split=split)
    request.request_id = derived_request_id("evaluate", content_of(store_, manifest_uri), request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"evaluate {full}"):
        response = services.clients.operate(EVALUATE_CLASSIFIER, request, services.report)
    result: dict[str, object] = {"model": full, "dataset": dataset, "manifest_uri": manifest_uri, "split": split}
    evaluation = json.loads(store_.get(store_.key(response.evaluation_uri)))
    result |= {"metrics": dict(response.metrics), **evaluation.get("decisions", {})}
    result |= {"skipped": evaluation["skipped"], "evaluation_uri": response.evaluation_uri}
    text = {**result, "skipped": _skipped(evaluation["skipped"])}
    if decisions := evaluation.get("decisions"):
        labels = list(decisions["labels"])
        rows = [dict(zip(labels, row, strict=True)) for row in decisions["confusion"]]
        text["confusion"] = dict(zip(labels, rows, strict=True))
    emit(result, as_json, in_sections(text))


@app.command()
def classify(
    model: Model,
    images: Annotated[list[str], typer.Argument(help="Image files, folders of them, or URIs of the store.")],
    verbose: Verbose = False,
    server: Annotated[
        str, typer.Option("--server", metavar="HOST:PORT", help="Classifier to ask (DEFECTORY_CLASSIFIER_ADDRESS).")
    ] = "",
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Classify images. One that is broken is named, the others are answered, and the exit code is 3.

    A classifier that you serve from the same store on this machine is asked, where it has the model loaded; else one
    is started for as long as this takes.

    \b
    defectory classifier classify screws part1.png part2.jpg
    defectory classifier classify screws shots/ --server line4.factory:50052
    """
    from orchestrator.cli.pictures import named

    given = named(images)
    failed: dict[str, str] = {}
    at, asked = _asked(server, store, model)
    with (
        session(store_url(store), at=at, verbose=verbose) as services,
        services.step(f"classify {len(given.images)} images"),
    ):
        version, classifications = _classified(services, asked, given.images, failed)
        if failed:
            services.doubt(f"{len(failed)} of {len(given.images)} images could not be classified")
    rows = [
        {
            "image": image,
            "label": c.label,
            "decision": c.decision,
            "rejected": c.rejected if c.HasField("rejected") else None,
            "probability": c.probabilities[c.label],
            "probabilities": dict(c.probabilities),
        }
        for image, c in classifications.items()
    ]
    result = {
        "model": model, "version": version, "count": len(rows), "classifications": rows,
        "failed": [{"image": image, "error": failed[image]} for image in given.images if image in failed],
        "left_out": given.left_out,
    }  # fmt: skip
    said: dict[object, str] = {True: "yes", False: "no", None: ""}
    cells = [{**row, "rejected": said[row["rejected"]]} for row in rows]
    if given.left_out:
        sys.stderr.write(f"left out, no images by their names: {_first_of(given.left_out)}\n")
    for image in (image for image in given.images if image in failed):
        sys.stderr.write(f"error: {image}: {failed[image]}\n")
    emit(result, as_json, table(list(cells), ["image", "label", "probability", "decision", "rejected"]))
    if failed:
        raise typer.Exit(EXIT_CODES[InvalidInput])


def _asked(server: str, store: str, model: str) -> tuple[dict[str, str], str]:
    """(service -> where it is, where one is named or found; the model as it is asked for)."""
    if server or os.environ.get("DEFECTORY_CLASSIFIER_ADDRESS"):
        return ({"classifier": server} if server else {}), model
    from orchestrator.pipeline.running import running_classifier

    running = running_classifier(opened(store), store_url(store), model, os.environ)
    return ({}, model) if running is None else ({"classifier": running[0]}, running[1])


def _classified(
    services: Session, model: str, images: list[str], failed: dict[str, str]
) -> "tuple[str, dict[str, Classification]]":
    """(the version that answered, image -> its classification); `failed` gets the others -> why."""
    from defectory.api.classifier.v1 import classifier_pb2
    from orchestrator.cli.pictures import OF_ONE_IMAGE, blamed, calls
    from orchestrator.pipeline.methods import CLASSIFY
    from orchestrator.pipeline.progress import Report

    classifications: dict[str, Classification] = {}
    version = ""
    for call in calls(images, CALL_IMAGES, CALL_BYTES, failed):
        while call:  # the service refuses a call for the first image that is none: the others are asked for again
            asked = f"{model.partition('/')[0]}/{version}" if version else model  # one version answers for all
            request = classifier_pb2.ClassifyRequest(model=asked, images=call.values())
            try:
                response = services.clients.call(CLASSIFY, request)
            except OF_ONE_IMAGE as error:
                wrong = blamed(error, list(call))
                if wrong is None:
                    raise
                image, failed[image] = wrong
                del call[image]
                continue
            version = response.model_version
            classifications.update(zip(call, response.classifications, strict=True))
            break
        services.report(Report("classifying", len(classifications) + len(failed), len(images), "images"))
    return version, classifications


@app.command()
def label(
    model: Annotated[str, typer.Argument(help='"name/version"; "name" with --remove.')],
    label: Annotated[str, typer.Argument(help="stable or canary.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the label from the version that has it.")] = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Give a version a label. The one labelled "stable" is meant where a name is given without a version.

    \b
    defectory classifier label screws/3 stable
    defectory classifier label screws canary --remove
    """
    from defectory.models import remove_label, set_label

    labels = (remove_label if remove else set_label)(opened(store), "classifier", model, label)
    emit({"model": model.partition("/")[0], "labels": labels}, as_json)


@app.command(name="list")
def list_(store: Store = "", as_json: AsJson = False) -> None:
    """List the classifiers in the store.

    \b
    defectory classifier list
    """
    list_models_of(opened(store), "classifier", SHOWN, as_json)


@app.command()
def show(model: Model, store: Store = "", as_json: AsJson = False) -> None:
    """Show a classifier's card: its weights' sha256, labels, settings and lineage.

    \b
    defectory classifier show screws/1
    """
    show_model(opened(store), "classifier", model, as_json)
