"""Probabilities and embeddings of many images, for evaluation and scoring; serving has engines of its own."""

import numpy as np
import tensorflow as tf

from services.classifier.card import ClassifierCard
from services.classifier.model import Network, compiled

BATCH = 64


class Predictor:
    """One network ready to answer."""

    def __init__(self, card: ClassifierCard, network: Network) -> None:
        self.card = card
        self._outputs = compiled(lambda x: _embed_and_classify(network, x), network.model.input_shape[1:])

    def predict(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(probabilities (N, labels), embeddings (N, channels)), float32, of uint8 (N, size, size, 3)."""
        probabilities, embeddings = [], []
        for start in range(0, len(pixels), BATCH):
            p, e = self._outputs(tf.cast(pixels[start : start + BATCH], tf.float32))
            probabilities.append(p.numpy())
            embeddings.append(e.numpy())
        return np.concatenate(probabilities), np.concatenate(embeddings)


def _embed_and_classify(network: Network, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    embeddings = network.embed(images, training=False)
    return network.top(embeddings, training=False), embeddings
