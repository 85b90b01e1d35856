"""Probabilities and embeddings of many images, for evaluation and scoring; serving has engines of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.storage.store import ObjectStore
from services.classifier.bundle import read_cycle
from services.classifier.card import ClassifierCard
from services.classifier.data import load_images
from services.classifier.features import features_of
from services.classifier.layers import embedding_channels
from services.classifier.onnx_graph import top_to_onnx
from services.classifier.onnx_session import Computed
from services.classifier.standing import standing_base


@dataclass(frozen=True)
class Predicted:
    """What all cycles of a classifier say of images.

    Attributes:
        lines: whose pictures could be read. skipped: (URI, reason) of the others.
        probabilities: float32 (cycles, N, labels). embeddings: float32 (N, channels), the main cycle's.
    """

    lines: list[ManifestLine]
    skipped: list[tuple[str, str]]
    probabilities: np.ndarray
    embeddings: np.ndarray


def is_frozen(card: ClassifierCard) -> bool:
    """Whether its base stood still in the training, so that features of it that are kept serve."""
    return card.settings.trainable_base == "none" and card.lineage.initial_weights != "random"


def predict(
    store: ObjectStore,
    card: ClassifierCard,
    lines: Sequence[ManifestLine],
    on_image: Callable[[int, int], None] = lambda done, total: None,
    on_cycle: Callable[[int, int], None] = lambda done, total: None,
) -> Predicted:
    """Ask every cycle; see `is_frozen`.

    Raises: as `load_images`, and as `read_cycle`.
    """
    frozen = is_frozen(card)
    kept, skipped = list(lines), list[tuple[str, str]]()
    pixels = np.empty(0, np.uint8)
    if not frozen:
        images = load_images(store, lines, card.architecture.input_px, card.preprocessing, on_image)
        kept, pixels, skipped = images.lines, images.pixels, images.skipped
    before, embeddings = "", np.empty((len(kept), embedding_channels(card.architecture.width_multiplier)), np.float32)
    by_cycle, of_main = [], embeddings
    for cycle in range(len(card.cycles)):
        weights = read_cycle(store, card, cycle)
        base = standing_base(card.architecture, weights)
        if not frozen:
            embeddings = base.embed(pixels)
        elif base.sha256 != before:
            features = features_of(store, lines, base, card.preprocessing, report=on_image)
            before, kept, skipped, embeddings = base.sha256, features.lines, features.skipped, features.values[:, 0]
        by_cycle.append(Computed(top_to_onnx(card.architecture, weights))(embeddings))
        if cycle == card.main_cycle:
            of_main = embeddings
        on_cycle(cycle + 1, len(card.cycles))
    return Predicted(kept, skipped, np.stack(by_cycle), of_main)
