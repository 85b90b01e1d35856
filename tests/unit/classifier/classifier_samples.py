"""A small network that answers differently to different images, and a bundle of it."""

import numpy as np

from defectory.storage import ObjectStore
from services.classifier.acceptance import Answers, calibrate, draw_line
from services.classifier.architecture import Architecture
from services.classifier.bundle import put_weights
from services.classifier.card import ClassifierCard, CycleCard, Estimate, Lineage
from services.classifier.cards import write_card
from services.classifier.model import Network, build
from services.classifier.settings import TrainingSettings

ARCHITECTURE = Architecture(labels=("defect", "good"), input_px=32, width_multiplier=0.35, head_units=8)
NONE = Answers(np.zeros(0, int), np.zeros((0, 2)))


def lively(architecture: Architecture, seed: int = 1) -> Network:
    """A network as if it were trained: activations neither die out nor saturate, and images differ in the answer."""
    network = build(architecture, seed)
    random = np.random.default_rng(seed)
    for weight in network.base.weights:
        if "gamma" in weight.path or "variance" in weight.path:
            weight.assign(random.uniform(1.0, 2.0, weight.shape) * (2 if "gamma" in weight.path else 0.5))
        elif "beta" in weight.path or "mean" in weight.path:
            weight.assign(random.normal(0, 0.3, weight.shape))
    size = architecture.input_px
    images = random.integers(0, 256, (16, size, size, 3)) * random.uniform(0.1, 1, (16, 1, 1, 3))
    embeddings = network.embed(images.astype(np.float32)).numpy()
    dense, normalisation = network.top.get_layer("dense"), network.top.get_layer("normalisation")
    hidden = embeddings @ dense.kernel.numpy()
    dense.kernel.assign(dense.kernel.numpy() / hidden.std(axis=0))
    normalisation.moving_mean.assign((hidden / hidden.std(axis=0)).mean(axis=0))
    return network


def bundle(store: ObjectStore, weights: bytes, manifest_uri: str = "memory://x") -> tuple[ObjectStore, ClassifierCard]:
    """A store with the classifier "judge" in it, of these weights."""
    entry = put_weights(store, "models/classifier/judge/1/", "cycle-0.safetensors", weights)
    random = np.random.default_rng(0)
    answers = Answers(np.arange(20) % 2, random.dirichlet([1, 1], 20))
    calibration = calibrate(answers, NONE)
    card = ClassifierCard(
        name="judge",
        version="1",
        architecture=ARCHITECTURE,
        cycles=(CycleCard(seed=0, best_epoch=1, weights=entry),),
        main_cycle=0,
        calibration=calibration,
        operating_point=draw_line(ARCHITECTURE.labels, "good", None, calibration.temperature, answers, NONE),
        metrics={"validation": {"f1": Estimate(mean=0.5)}},
        settings=TrainingSettings(),
        lineage=Lineage(
            manifest_uri=manifest_uri, content_hash="0", images={}, synthetic={}, initial_weights="random",
            initial_weights_sha256="", packages={},
        ),
    )  # fmt: skip
    write_card(store, card)
    return store, card
