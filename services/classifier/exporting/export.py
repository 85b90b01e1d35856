"""Exports a classifier: its files, what an application needs to know, and how far it agrees with the original."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from defectory.alike import one_of
from defectory.datasets.manifest import DEFAULT_READING, Reading, read_manifest
from defectory.errors import FailedPrecondition, InvalidInput
from defectory.storage.store import ObjectStore
from services.classifier.bundle import load
from services.classifier.card import ClassifierCard
from services.classifier.data import Part, label_indices, lines_of, load_images, own_images
from services.classifier.decision import DecisionRule
from services.classifier.exporting import formats
from services.classifier.exporting.example import FILE, SENTENCE, Example, example
from services.classifier.model import Network, probabilities

CONVERTERS: Mapping[str, Callable[..., formats.Converted]] = {
    "saved-model": formats.saved_model,
    "tflite": formats.tflite,
    "tflite-int8": formats.tflite_int8,
    "onnx": formats.onnx,
}
CALIBRATION_IMAGES = 200  # that set the ranges of int8
INTEGERS = "tflite-int8"
MAX_DIFFERENCE = 1e-3  # of a probability, where nothing is rounded to integers: other software adds in another order
INTEGER_TOLERANCE = 0.05  # of a probability between two sets of kernels for integers
MIN_AGREEMENT = 0.95  # of labels and of decisions where integers round: below that it is another classifier
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Check:
    """The export beside the original, on the test split's own images."""

    images: int
    accuracy: float
    exported_accuracy: float
    agreement: float  # share of images that both give the same label as the most probable one
    decision_agreement: float | None  # that both decide on alike at the operating point; None where there is none
    max_difference: float  # of a calibrated probability
    agreements: Mapping[str, float]  # by what computed it; the values above are of the one that agrees least

    @property
    def sound(self) -> bool:
        """Whether it may stand in for the original."""
        decided = 1.0 if self.decision_agreement is None else self.decision_agreement
        return min(self.agreement, decided) >= MIN_AGREEMENT


@dataclass(frozen=True)
class Exported:
    """What an export left in the store."""

    uri: str
    files: list[str]
    check: Check


def export(
    store: ObjectStore, model: str, format_: str, manifest_uri: str, report: Report, reading: Reading = DEFAULT_READING
) -> Exported:
    """Convert the main network, with its temperature built in, and check it.

    Writes below `models/classifier/NAME/VERSION/exports/FORMAT/`, `export.json` last: labels, input, an example picture
    with its answer, decision, check.

    Raises:
        InvalidInput: no such format, no readable test images.
        FailedPrecondition: the export, of floating-point numbers, answers otherwise than the original; or nothing can
            run it.
    """
    if format_ not in CONVERTERS:
        right = one_of(format_, CONVERTERS)
        raise InvalidInput(f"format {format_!r}: {right}", {"format": right})
    card, network = load(store, model)
    manifest_uri = manifest_uri or card.lineage.manifest_uri
    test = _images(store, manifest_uri, card, "test", report, reading)
    if not test.lines:
        right = "give a manifest with readable test images"
        raise InvalidInput(f"{manifest_uri} has no test images to check the export: {right}", {"manifest_uri": right})
    training = np.zeros((0,), np.uint8)
    if format_ == INTEGERS:
        training = _images(store, manifest_uri, card, "train", report, reading, CALIBRATION_IMAGES).pixels
        if not len(training):
            right = "give a manifest with training images"
            raise InvalidInput(f"tflite-int8 needs training images for its ranges: {right}", {"manifest_uri": right})
    original = card.rule.decide(probabilities(network, test.pixels)).probabilities
    _build_in_temperature(network, card.calibration.temperature)
    report(f"converting to {format_}", 0, len(test.lines))
    converted = CONVERTERS[format_](network, card.architecture, training)
    exported = {name: run(test.pixels) for name, run in converted.runs.items()}
    check = compare(test.labels, original, exported, card.rule)
    report("checking", len(test.lines), len(test.lines))
    if format_ != INTEGERS and not check.max_difference <= MAX_DIFFERENCE:
        raise FailedPrecondition(
            f"{card.full_name} as {format_} answers test images up to {check.max_difference:.2g} away from the "
            f"original, more than {MAX_DIFFERENCE:g}: nothing was written; use another format"
        )
    prefix = f"{card.prefix}exports/{format_}/"
    run = next(iter(converted.runs.values()))
    shown = example(test.pixels, run, np.dtype(_type(format_)))
    files = {**converted.files, FILE: shown.png}
    for path, content in files.items():
        store.put(prefix + path, content)
    description = _description(card, format_, check, converted, shown)
    store.put(prefix + "export.json", json.dumps(description, indent=1).encode())
    written = [store.uri(prefix + path) for path in (*files, "export.json")]
    return Exported(store.uri(prefix.rstrip("/")), written, check)


def compare(labels: np.ndarray, original: np.ndarray, exported: Mapping[str, np.ndarray], rule: DecisionRule) -> Check:
    """How far exports agree.

    Args:
        labels: the truth (N,). original: calibrated probabilities (N, C) of the same images.
        exported: the same of the export, by what computed them. rule: of the original, with its operating point.
    """
    ours, decide = original.argmax(axis=1), replace(rule, temperature=1.0).decide  # calibrated they are already
    decided = {
        name: float((decide(original).labels == decide(given).labels).mean()) for name, given in exported.items()
    }
    theirs = {name: given.argmax(axis=1) for name, given in exported.items()}
    agreements = {name: float((ours == classes).mean()) for name, classes in theirs.items()}
    differences = {name: float(np.abs(original - given).max()) for name, given in exported.items()}
    worst = min(exported, key=lambda name: (agreements[name], -differences[name]))
    return Check(
        images=len(labels),
        accuracy=float((ours == labels).mean()),
        exported_accuracy=float((theirs[worst] == labels).mean()),
        agreement=agreements[worst],
        decision_agreement=None if rule.good is None else min(decided.values()),
        max_difference=max(differences.values()),
        agreements=agreements,
    )


def _images(
    store: ObjectStore,
    manifest_uri: str,
    card: ClassifierCard,
    split: str,
    report: Report,
    reading: Reading,
    at_most: int = 0,
) -> Part:
    lines = lines_of(read_manifest(store, manifest_uri, reading), split)
    lines = [lines[i] for i in own_images(lines)]
    if at_most:
        lines = sorted(lines, key=lambda x: x.file.sha256)[:at_most]  # at random, but always the same ones
    images = load_images(
        store, lines, card.architecture.input_px, card.preprocessing,
        lambda done, of: report(f"reading {split} images", done, of),
    )  # fmt: skip
    return Part(images.lines, label_indices(images.lines, card.architecture.labels), {"pixels": images.pixels})


def _build_in_temperature(network: Network, temperature: float) -> None:
    """Divide the logits: what comes out of the export is calibrated."""
    for weight in network.top.get_layer("probabilities").weights:
        weight.assign(weight / temperature)


def _type(format_: str) -> str:
    return "uint8" if format_ == INTEGERS else "float32"


def _description(
    card: ClassifierCard, format_: str, check: Check, converted: formats.Converted, shown: Example
) -> dict[str, object]:
    size, type_ = card.architecture.input_px, _type(format_)
    return {
        "model": card.full_name,
        "weights_sha256": card.weights.sha256,
        "format": format_,
        "files": list(converted.files),
        "input": {
            "name": "image",
            "type": type_,
            "meaning": SENTENCE[type_],
            "shape": [1 if format_.startswith("tflite") else -1, size, size, 3],
            "preprocessing": card.preprocessing.model_dump(mode="json"),
            **converted.input,
        },
        "output": {"name": "probabilities", "type": type_, "calibrated": True, **converted.output},
        "labels": card.architecture.labels,
        "example": shown.described(card.architecture.labels, INTEGER_TOLERANCE if type_ == "uint8" else MAX_DIFFERENCE),
        "operating_point": card.operating_point.model_dump(mode="json") if card.operating_point else None,
        "check": vars(check),
    }
