"""Predictions of trained classifiers: compiled once, kept while they are in use."""

import threading
from collections import OrderedDict

import numpy as np
import tensorflow as tf

from defectory.models import resolve
from defectory.storage.store import ObjectStore
from services.classifier.bundle import load
from services.classifier.card import KIND, ClassifierCard
from services.classifier.model import Network

BATCH = 64
KEPT_MODELS = 4


class Predictor:
    """One network ready to answer."""

    def __init__(self, card: ClassifierCard, network: Network) -> None:
        self.card = card
        self._outputs = tf.function(lambda x: _embed_and_classify(network, x), reduce_retracing=True)

    def predict(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(probabilities (N, labels), embeddings (N, channels)), float32, of uint8 (N, size, size, 3)."""
        probabilities, embeddings = [], []
        for start in range(0, len(pixels), BATCH):
            p, e = self._outputs(tf.cast(pixels[start : start + BATCH], tf.float32))
            probabilities.append(p.numpy())
            embeddings.append(e.numpy())
        return np.concatenate(probabilities), np.concatenate(embeddings)


class PredictorCache:
    """The predictors used last, by name and version; safe to use from many threads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], Predictor] = OrderedDict()

    def get(self, model: str) -> Predictor:
        """The predictor of "name" (its newest version) or "name/version"; NotFound, Corrupted."""
        key = resolve(self._store, KIND, model)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = Predictor(*load(self._store, "/".join(key)))
                if len(self._kept) > KEPT_MODELS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def _embed_and_classify(network: Network, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    embeddings = network.embed(images, training=False)
    return network.top(embeddings, training=False), embeddings
