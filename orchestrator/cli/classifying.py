"""`defectory classifier classify`: answers for images, of a server that is there or of one that is started for it."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from defectory.caution import caution_of
from defectory.errors import InvalidInput, NotFound
from defectory.exit_codes import EXIT_CODES
from defectory.models import read_model_card
from defectory.storage import ObjectStore
from orchestrator.cli.doubted import no_use_of
from orchestrator.cli.learned_from import QUICK_BYTES, learned_from
from orchestrator.cli.options import (
    AsJson,
    ClassifierModel,
    Session,
    Store,
    Verbose,
    opened,
    opened_or_empty,
    session,
    store_url,
)
from orchestrator.cli.output import emit, first_of, table

if TYPE_CHECKING:
    from defectory.api.classifier.v1.classifier_pb2 import Classification

CALL_IMAGES, CALL_BYTES = 256, 32 << 20  # of a call to Classify
BRIEF_IMAGES = 16  # that a server which is there answers before a person could look at progress


def classify(
    model: ClassifierModel,
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
    is started for as long as this takes. Photographs that the model has learned from are named: what it answers on
    them says nothing about new parts.

    \b
    defectory classifier classify screws part1.png part2.jpg
    defectory classifier classify screws shots/ --server line4.factory:50052
    """
    from orchestrator.cli.pictures import named

    given = named(images)
    failed: dict[str, str] = {}
    at, asked = {"classifier": server} if server else {}, model
    if server or os.environ.get("DEFECTORY_CLASSIFIER_ADDRESS"):
        store_ = opened_or_empty(store)  # the server has its own, which need not be within reach
    else:
        store_ = opened(store)
        at, asked = _found(store_, store_url(store), model)
    brief = bool(at) and len(given.images) <= BRIEF_IMAGES
    with (
        session(store_url(store), at=at, verbose=verbose, brief=brief) as services,
        services.step(f"classify {len(given.images)} images"),
    ):
        answer = _classified(services, asked, given.images, failed)
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
        for image, c in answer.classifications.items()
    ]
    caution = caution_of(answer.calibrated_on) if answer.calibrated_on else ""
    card = _card(store_, model, answer.version)
    no_use = no_use_of(card)
    own = learned_from(store_, card, list(answer.classifications), QUICK_BYTES if at else None)
    own_note = own.in_words(len(rows))
    result = {
        "model": model, "version": answer.version, "count": len(rows), "classifications": rows, "caution": caution,
        "no_use": no_use, "learned_from": {"train": own.train, "validation": own.validation, "note": own_note},
        "failed": [{"image": image, "error": failed[image]} for image in given.images if image in failed],
        "left_out": given.left_out,
    }  # fmt: skip
    said: dict[object, str] = {True: "yes", False: "no", None: ""}
    known = dict.fromkeys(own.train, "trained on") | dict.fromkeys(own.validation, "chosen by")
    cells = [
        {**row, "rejected": said[row["rejected"]], "the model was": known.get(str(row["image"]), "")} for row in rows
    ]
    if given.left_out:
        sys.stderr.write(f"left out, no images by their names: {first_of(given.left_out)}\n")
    for image in (image for image in given.images if image in failed):
        sys.stderr.write(f"error: {image}: {failed[image]}\n")
    for note in filter(None, [no_use, own_note, caution]):
        sys.stderr.write(f"note: {note}\n")
    columns = ["image", "label", "probability", "decision", "rejected", *(["the model was"] if known else [])]
    emit(result, as_json, table(list(cells), columns))
    if failed:
        raise typer.Exit(EXIT_CODES[InvalidInput])


def _card(store: ObjectStore, model: str, version: str) -> dict[str, object]:
    """The classifier's card; empty where it lies elsewhere, where a server is."""
    try:
        return read_model_card(store, "classifier", model.partition("/")[0], version)
    except (NotFound, InvalidInput):
        return {}


def _found(store: ObjectStore, url: str, model: str) -> tuple[dict[str, str], str]:
    """(service -> where one serves the store, if any does; the model as it is asked for)."""
    from orchestrator.pipeline.running import running_classifier

    running = running_classifier(store, url, model, os.environ)
    return ({}, model) if running is None else ({"classifier": running[0]}, running[1])


class _Answer(NamedTuple):
    """Of one version: image -> its classification, and how many validation images it is calibrated on; 0: none said."""

    version: str
    classifications: "dict[str, Classification]"
    calibrated_on: int


def _classified(services: Session, model: str, images: list[str], failed: dict[str, str]) -> _Answer:
    """What the service says of the images; `failed` gets those that it could not classify -> why."""
    from defectory.api.classifier.v1 import classifier_pb2
    from orchestrator.cli.pictures import OF_ONE_IMAGE, blamed, calls
    from orchestrator.pipeline.methods import CLASSIFY
    from orchestrator.pipeline.progress import Report

    classifications: dict[str, Classification] = {}
    version, calibrated_on = "", 0
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
            version, calibrated_on = response.model_version, response.calibrated_on
            classifications.update(zip(call, response.classifications, strict=True))
            break
        services.report(Report("classifying", len(classifications) + len(failed), len(images), "images"))
    return _Answer(version, classifications, calibrated_on)
