"""`defectory classifier train`, `calibrate`, `export` and `evaluate`: what takes long."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from defectory.job_settings.choices import ExportFormat, SplitName
from defectory.job_settings.classifier_training import ClassifierTraining, FoldedCycles
from defectory.storage import ObjectStore
from defectory.storage.references import read_json
from defectory.storage.taking import take_files
from orchestrator.cli.doubted import against, line_of
from orchestrator.cli.options import (
    AsJson,
    ClassifierModel,
    Session,
    Store,
    Verbose,
    Weights,
    content_of,
    dataset_uri,
    derived_request_id,
    new_name,
    opened,
    session,
    store_url,
    weights_content,
)
from orchestrator.cli.output import emit, first_of
from orchestrator.cli.sections import in_sections
from orchestrator.cli.setting_options import choice, with_settings

TARGET_HELP = (
    "What the operating point (the probability of a defect from which a part is rejected) has to meet: recall=0.99 "
    "(defects caught) or overkill=0.02 (false alarms)."
)
DECIDED: Literal["decision_agreement"] = (
    "decision_agreement"  # of an export; absent where the model has no operating point
)


@with_settings({"input_px": "input", "width_multiplier": "width", "good_label": "good"})
def train(
    dataset: Annotated[str, typer.Argument(help="Dataset, by name or by its manifest's URI.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model to make.", callback=new_name)],
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
        acceptance = _acceptance(services, store_, trained.card_uri)
    result = {
        "model": f"{trained.name}/{trained.version}", "name": trained.name, "version": trained.version,
        "dataset": dataset, "initial_weights": began_from(trained, training.initial_weights),
        "manifest_uri": manifest_uri, "labels": list(trained.labels), "cycles": trained.cycles,
        "weights_sha256": trained.weights_sha256, "metrics_uri": trained.metrics_uri, "card_uri": trained.card_uri,
        **acceptance,
        "skipped": read_json(store_, trained.metrics_uri)["skipped"],
    }  # fmt: skip
    emit(result, as_json, in_sections({**result, "skipped": _skipped(result["skipped"])}))


def _skipped(images: list[tuple[str, str]]) -> str:
    """How many images could not be read, and the first of them."""
    return first_of([uri.rpartition("/")[2] for uri, _ in images])


def _acceptance(services: Session, store: ObjectStore, card_uri: str) -> dict[str, object]:
    """Calibration and operating point as a new card has them, for a person; what it says against itself is said."""
    card = read_json(store, card_uri)
    for text in against(card):
        services.warn(text)
    point, calibration = card["operating_point"], card["calibration"]
    errors = {split: calibration[split] for split in ("validation", "test") if calibration.get(split)}
    result: dict[str, object] = {
        "temperature": calibration["temperature"],
        "fitted_on": f"{calibration['validation']['images']} validation images",
        "ece": {key: errors["validation"][key] for key in ("ece_before", "ece_after")},  # on the same images
        "ece_test": {key: errors["test"][key] for key in ("ece_before", "ece_after")} if "test" in errors else None,
        "threshold": point and point["threshold"],
        "decision": line_of(card),
    }
    for split in ("validation", "test"):
        for error in ("escape", "overkill"):
            if point and point[split]:
                rate = point[split][error]
                share = f"{rate['count'] / rate['of']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"
                result[f"{error}_{split}"] = f"{rate['count']} of {rate['of']}: {share}"
    return result


def calibrate(
    model: ClassifierModel,
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
        acceptance = _acceptance(services, store_, calibrated.card_uri)
    version = f"{calibrated.name}/{calibrated.version}"
    result: dict[str, object] = {
        "model": version,
        "weights_of": full,
        "dataset": dataset,
        "card_uri": calibrated.card_uri,
    }
    result |= acceptance
    served = (
        f"a server of {calibrated.name} takes this version by itself, unless another is labelled stable; "
        f"{calibrated.name}/N names one"
    )
    emit({**result, "note": served}, as_json, f"{in_sections(result)}\n\n{served}")


def export(
    model: ClassifierModel,
    format_: Annotated[ExportFormat, choice("--format", ExportFormat, "Of which other software.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder that gets a folder of the format, with the files."),
    ] = None,
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
    from orchestrator.cli.destinations import folder_to_write
    from orchestrator.pipeline.methods import EXPORT_CLASSIFIER

    folder = folder_to_write(out / format_) if out else None
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
    if folder:
        inside = {uri: uri.removeprefix(f"{exported.uri}/") for uri in exported.files}
        take_files(store_, [(uri, folder / path, "") for uri, path in inside.items()])
    result = {
        "model": full, "format": format_, "uri": exported.uri, "files": len(exported.files),
        "out": str(folder or ""),
        "test_images": exported.images, "accuracy": exported.accuracy, "exported_accuracy": exported.exported_accuracy,
        "agreement": exported.agreement, "agreements": dict(exported.agreements), "sound": not exported.differs,
        "decision_agreement": exported.decision_agreement if exported.HasField(DECIDED) else None,
        "max_difference": exported.max_difference,
    }  # fmt: skip
    emit(result, as_json)


def evaluate(
    model: ClassifierModel,
    dataset: Annotated[str, typer.Option("--dataset", help="Dataset, by name or by its manifest's URI.")],
    split: Annotated[SplitName, choice("--split", SplitName, "Which images of it.")] = "test",
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
    evaluation = read_json(store_, response.evaluation_uri)
    result |= {"metrics": dict(response.metrics), **evaluation.get("decisions", {})}
    result |= {"skipped": evaluation["skipped"], "evaluation_uri": response.evaluation_uri}
    metrics = {"macro-F1" if name == "f1" else name: value for name, value in sorted(response.metrics.items())}
    text = {**result, "metrics": metrics, "skipped": _skipped(evaluation["skipped"])}
    if decisions := evaluation.get("decisions"):
        labels = list(decisions["labels"])
        rows = [dict(zip(labels, row, strict=True)) for row in decisions["confusion"]]
        text["confusion"] = dict(zip(labels, rows, strict=True))
    emit(result, as_json, in_sections(text))
