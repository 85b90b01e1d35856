"""Heatmaps of a network's decisions, a batch at a time: one compiled graph gives decision and heat.

Only the head is differentiated, so a batch costs little more than its forward pass.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from defectory.alike import one_of
from defectory.errors import InvalidInput
from defectory.job_settings.explaining import DEFAULT_METHOD
from services.classifier.model import Network
from services.explainer.methods import METHODS
from services.explainer.methods.view import View

PREDICTED = -1  # as a class: the most probable one


@dataclass(frozen=True)
class Heats:
    """What came out for N images.

    Attributes:
        probabilities: float32 (N, C), the network's own.
        classes: int32 (N,), the classes explained.
        heat: float32 (N, h, w) of the target layer's size, each with a maximum of 1 (all 0 where nothing spoke for it).
    """

    probabilities: np.ndarray
    classes: np.ndarray
    heat: np.ndarray


class Cam:
    """One network, one method."""

    def __init__(self, network: Network, method: str = DEFAULT_METHOD) -> None:
        if method not in METHODS:
            right = one_of(method, METHODS)
            raise InvalidInput(f"method {method!r}: {right}", {"method": right})
        last = network.top.layers[-1]
        self._method = METHODS[method]
        self._backbone = network.backbone
        self._before_softmax = tf.keras.Model(network.top.inputs, network.top.get_layer("swish").output)
        self._kernel, self._bias = last.kernel, last.bias
        size = network.model.input_shape[1]
        self._graph = tf.function(
            self._explain,
            input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8), tf.TensorSpec((None,), tf.int32)],
            autograph=False,
        )

    def heats(self, pixels: np.ndarray, classes: np.ndarray | None = None) -> Heats:
        """Explain images.

        Args:
            pixels: uint8 (N, size, size, 3). classes: (N,) classes to explain; None: the most probable ones.
        """
        wanted = np.full(len(pixels), PREDICTED) if classes is None else classes
        tensors = self._graph(tf.constant(pixels), tf.constant(wanted, tf.int32))
        return Heats(*(tensor.numpy() for tensor in tensors))

    def _explain(self, pixels: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        activations = self._backbone(tf.cast(pixels, tf.float32), training=False)
        logits = self._logits(tf.reduce_mean(activations, axis=(1, 2)))
        chosen = tf.where(classes == PREDICTED, tf.argmax(logits, axis=1, output_type=tf.int32), classes)
        heat = self._method(View(activations, chosen, self._logits))
        scaled = tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))
        return tf.nn.softmax(logits), chosen, scaled

    def _logits(self, pooled: tf.Tensor) -> tf.Tensor:
        return tf.matmul(self._before_softmax(pooled, training=False), self._kernel) + self._bias
