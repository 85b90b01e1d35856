"""Probabilities and embeddings of many images, for evaluation and scoring; serving has engines of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tensorflow as tf

from defectory.datasets.manifest_line import ManifestLine
from defectory.storage.store import ObjectStore
from services.classifier.architecture import Architecture
from services.classifier.bundle import load_cycle
from services.classifier.card import ClassifierCard
from services.classifier.data import load_images
from services.classifier.features import Base, base_sha256, features_of
from services.classifier.model import Network, build, compiled

BATCH = 64


class Predictor:
    """A network and the graphs that answer, with whichever weights the network has."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._embed = compiled(lambda x: network.embed(x, training=False), network.model.input_shape[1:])
        self._classify = compiled(lambda x: network.top(x, training=False), network.top.input_shape[1:])

    @property
    def base(self) -> Base:
        """The network's present base."""
        size_px, channels = self.network.model.input_shape[1], self.network.embed.output_shape[-1]
        return Base(base_sha256(self.network), size_px, channels, self.embed)

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Embeddings (N, channels), float32, of images (N, size, size, 3) in [0, 255]."""
        return _in_batches(self._embed, pixels, self.network.embed.output_shape[-1])

    def classify(self, embeddings: np.ndarray) -> np.ndarray:
        """Probabilities (N, labels), float32, of embeddings."""
        return _in_batches(self._classify, embeddings, self.network.top.output_shape[-1])


@lru_cache(maxsize=1)
def predictor_of(architecture: Architecture) -> Predictor:
    """One for an architecture, built once a process: the next one to ask loads weights of its own into its network."""
    return Predictor(build(architecture))


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

    Raises: as `load_images`, and as `load_cycle`.
    """
    predictor = predictor_of(card.architecture)
    size_px, network = card.architecture.input_px, predictor.network
    frozen = is_frozen(card)
    kept, skipped = list(lines), list[tuple[str, str]]()
    pixels = np.empty(0, np.uint8)
    if not frozen:
        images = load_images(store, lines, size_px, card.preprocessing, on_image)
        kept, pixels, skipped = images.lines, images.pixels, images.skipped
    before, embeddings = "", np.empty((len(kept), network.embed.output_shape[-1]), np.float32)
    by_cycle, of_main = [], embeddings
    for cycle in range(len(card.cycles)):
        load_cycle(store, card, network, cycle)
        if not frozen:
            embeddings = predictor.embed(pixels)
        elif (base := predictor.base).sha256 != before:
            features = features_of(store, lines, base, card.preprocessing, report=on_image)
            before, kept, skipped, embeddings = base.sha256, features.lines, features.skipped, features.values[:, 0]
        by_cycle.append(predictor.classify(embeddings))
        if cycle == card.main_cycle:
            of_main = embeddings
        on_cycle(cycle + 1, len(card.cycles))
    return Predicted(kept, skipped, np.stack(by_cycle), of_main)


def _in_batches(step: tf.types.experimental.GenericFunction, inputs: np.ndarray, channels: int) -> np.ndarray:
    """What a step makes of inputs (N, …), float32 (N, channels)."""
    starts = range(0, len(inputs), BATCH)
    parts = [step(tf.cast(inputs[start : start + BATCH], tf.float32)).numpy() for start in starts]
    return np.concatenate(parts) if parts else np.zeros((0, channels), np.float32)
