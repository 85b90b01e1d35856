"""Classifier bundles without a training, for benchmarks and tests: random weights, stored as a training stores them."""

from defectory.models import version_prefix
from defectory.storage import ObjectStore
from services.classifier.architecture import Architecture
from services.classifier.bundle import put_weights, weights_bytes
from services.classifier.card import (
    Calibration,
    CalibrationError,
    ClassifierCard,
    CycleCard,
    Lineage,
    OperatingPoint,
    Rate,
    Rates,
)
from services.classifier.cards import write_card
from services.classifier.model import build
from services.classifier.settings import TrainingSettings

NOTHING_KNOWN = Rates(escape=Rate(count=0, of=1, low=0, high=1), overkill=Rate(count=0, of=1, low=0, high=1))


def put_classifier(
    store: ObjectStore,
    name: str,
    version: str = "1",
    *,
    seed: int = 0,
    input_px: int = 32,
    width: float = 0.35,
    temperature: float = 2.0,
    threshold: float | None = 0.3,
    labels: tuple[str, ...] = ("defect", "good"),
) -> ClassifierCard:
    """Write a classifier with weights drawn from the seed and return its card."""
    architecture = Architecture(labels=labels, input_px=input_px, width_multiplier=width, head_units=8)
    network = build(architecture, seed)
    for weight in network.model.weights:
        if weight.path.endswith("kernel"):
            weight.assign(weight * 3)  # as they are drawn, all images would come to the same probabilities
    data = weights_bytes(network)
    weights = put_weights(store, version_prefix("classifier", name, version), "cycle-0.safetensors", data)
    error = CalibrationError(ece_before=0, ece_after=0, images=1)
    point = OperatingPoint(good=labels[-1], threshold=threshold or 0, target=None, target_value=None,
                           validation=NOTHING_KNOWN, test=None)  # fmt: skip
    card = ClassifierCard(
        name=name, version=version, architecture=architecture, main_cycle=0, metrics={},
        cycles=(CycleCard(seed=seed, best_epoch=1, weights=weights),),
        calibration=Calibration(temperature=temperature, validation=error, test=None),
        operating_point=point if threshold is not None else None,
        settings=TrainingSettings(initial_weights="random", width_multiplier=width),
        lineage=Lineage(manifest_uri=store.uri("none"), content_hash="", images={}, synthetic={},
                        initial_weights="random", initial_weights_sha256="", packages={}),
    )  # fmt: skip
    write_card(store, card)
    return card
