"""Probabilities and embeddings of many images, for evaluation and scoring; serving has engines of its own."""

from functools import lru_cache

import numpy as np
import tensorflow as tf

from services.classifier.architecture import Architecture
from services.classifier.model import Network, build, compiled

BATCH = 64


class Predictor:
    """A network and the graph that answers, with whichever weights the network has."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._outputs = compiled(lambda x: _embed_and_classify(network, x), network.model.input_shape[1:])

    def predict(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(probabilities (N, labels), embeddings (N, channels)), float32, of uint8 (N, size, size, 3)."""
        probabilities, embeddings = [], []
        for start in range(0, len(pixels), BATCH):
            p, e = self._outputs(tf.cast(pixels[start : start + BATCH], tf.float32))
            probabilities.append(p.numpy())
            embeddings.append(e.numpy())
        return np.concatenate(probabilities), np.concatenate(embeddings)


@lru_cache(maxsize=1)
def predictor_of(architecture: Architecture) -> Predictor:
    """One for an architecture, built once a process: the next one to ask loads weights of its own into its network."""
    return Predictor(build(architecture))


def _embed_and_classify(network: Network, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    embeddings = network.embed(images, training=False)
    return network.top(embeddings, training=False), embeddings
