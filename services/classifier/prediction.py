"""Probabilities and embeddings of many images, for evaluation and scoring; serving has engines of its own."""

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import tensorflow as tf

from services.classifier.architecture import Architecture
from services.classifier.model import Network, build, compiled

BATCH = 64


class Predictor:
    """A network and the graphs that answer, with whichever weights the network has."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._embed = compiled(lambda images: network.embed(images, training=False), network.model.input_shape[1:])
        self._top = compiled(lambda features: network.top(features, training=False), network.embed.output_shape[1:])

    def of_cycles(
        self, load: Callable[[int], None], cycles: int, pixels: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every cycle's (probabilities (N, labels), embeddings (N, channels)), float32.

        Cycles that were trained on a frozen base have the same: what it makes of the images is then computed once.

        Args:
            load: puts a cycle's weights into the network.
            pixels: uint8 (N, size, size, 3).
        """
        base, embeddings = "", np.empty((0, 0), np.float32)
        for cycle in range(cycles):
            load(cycle)
            if (own := self._base()) != base:
                base, embeddings = own, _in_batches(self._embed, pixels)
            yield _in_batches(self._top, embeddings), embeddings

    def _base(self) -> str:
        """What the weights before the head are, as a digest."""
        digest = hashlib.sha256()
        for weight in self.network.embed.weights:
            digest.update(weight.numpy().tobytes())
        return digest.hexdigest()


@lru_cache(maxsize=1)
def predictor_of(architecture: Architecture) -> Predictor:
    """One for an architecture, built once a process: the next one to ask loads weights of its own into its network."""
    return Predictor(build(architecture))


def _in_batches(graph: tf.types.experimental.GenericFunction, values: np.ndarray) -> np.ndarray:
    starts = range(0, len(values), BATCH)
    return np.concatenate([graph(tf.cast(values[start : start + BATCH], tf.float32)).numpy() for start in starts])
