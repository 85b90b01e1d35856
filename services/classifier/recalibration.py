"""A new calibration and operating point for a trained classifier: a new version with the same weights."""

import json
from collections.abc import Callable

from defectory.datasets.manifest import DEFAULT_READING, Reading, read_manifest
from defectory.models import reserve_version, version_prefix
from defectory.storage.store import ObjectStore
from services.classifier.acceptance import answers_of, calibrate, draw_line
from services.classifier.bundle import load
from services.classifier.card import KIND, ClassifierCard
from services.classifier.cards import read_card, write_card
from services.classifier.curves import curves_of
from services.classifier.data import labels_to_calibrate_on, lines_to_calibrate_on, load_images, split_parts
from services.classifier.model import probabilities
from services.classifier.outcome import decided
from services.classifier.reliability import reliability_svg
from services.classifier.target import check_target, parse_target

Report = Callable[[str, int, int], None]


def recalibrate(
    store: ObjectStore,
    operation_id: str,
    model: str,
    manifest_uri: str,
    good: str,
    target: str,
    report: Report,
    reading: Reading = DEFAULT_READING,
) -> ClassifierCard:
    """Fit on the manifest's validation images, measure on its test images, write the new version.

    Args:
        good: label of good parts; empty: the one that the classifier was trained with.
        target: as `parse_target` reads it; empty: none.

    Raises:
        InvalidInput: no validation images, one that is in the test set too, a label the classifier does not know, a
            target that cannot be looked for.
    """
    card, network = load(store, model)
    version = reserve_version(store, KIND, card.name, operation_id)
    prefix = version_prefix(KIND, card.name, version)
    if store.exists(prefix + "model.json"):
        return read_card(store, f"{card.name}/{version}")
    labels, good, wanted = card.architecture.labels, good or card.settings.good_label, parse_target(target)
    lines = lines_to_calibrate_on(read_manifest(store, manifest_uri, reading))
    check_target(labels, good, wanted, labels_to_calibrate_on(lines))
    images = load_images(
        store, lines, card.architecture.input_px, card.preprocessing,
        lambda done, of: report("reading images", done, of),
    )  # fmt: skip
    parts = split_parts(images.lines, {"pixels": images.pixels}, labels, needed=("validation",))
    validation, test = (
        answers_of(parts[split], probabilities(network, parts[split].pixels)) for split in ("validation", "test")
    )
    calibration = calibrate(validation, test)
    for cycle in card.cycles:
        store.put(prefix + cycle.weights.file, store.get(card.prefix + cycle.weights.file))
    store.put(prefix + "reliability.svg", reliability_svg(validation, calibration))
    changes = {
        "version": version,
        "calibration": calibration,
        "operating_point": draw_line(labels, good, wanted, calibration.temperature, validation, test),
        "settings": card.settings.model_copy(update={"good_label": good, "target": target}),
        "lineage": card.lineage.model_copy(update={"calibrated_from": card.full_name}),
    }
    recalibrated = card.model_copy(update=changes)
    if store.exists(card.prefix + "metrics.json"):  # a bundle from elsewhere need not have one
        metrics = json.loads(store.get(card.prefix + "metrics.json"))
        metrics["decisions"] = {
            split: decided(recalibrated.rule, labels, parts[split].lines, answers)
            for split, answers in (("validation", validation), ("test", test))
        }
        metrics["curves"] = {
            split: curves_of(recalibrated.rule, answers)
            for split, answers in (("validation", validation), ("test", test))
        }
        store.put(prefix + "metrics.json", json.dumps(metrics).encode())
    write_card(store, recalibrated)
    return recalibrated
