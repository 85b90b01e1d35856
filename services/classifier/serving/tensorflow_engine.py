"""The network as TensorFlow computes it: where it is to run on a GPU, and to compare with."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from services.classifier.architecture import Architecture
from services.classifier.model import build


def limit_tensorflow(threads: int) -> None:
    """Let TensorFlow compute on so many cores; only before it has computed anything."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)


class TensorflowEngine:
    """The network as a compiled graph; TensorFlow spreads a batch over the cores itself."""

    name = "tensorflow"
    batch = 32
    parallel = 1

    def __init__(self, architecture: Architecture, weights: Mapping[str, np.ndarray]) -> None:
        network = build(architecture)
        for weight in network.model.weights:
            weight.assign(weights[weight.path])
        self._outputs = network.answer

    def run(self, images: np.ndarray, alone: bool) -> np.ndarray:
        """See Engine."""
        return np.asarray(self._outputs(tf.constant(images)).numpy())
