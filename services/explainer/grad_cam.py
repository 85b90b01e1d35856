"""Grad-CAM exactly as published (Selvaraju et al. 2017, section 3), compiled, a batch at a time.

The gradient runs from the class's logit through the head only, so a batch costs little more than its forward pass.
"""

import numpy as np
import tensorflow as tf

from services.classifier.model import Network


class GradCam:
    """Heatmaps of one network's decisions."""

    def __init__(self, network: Network) -> None:
        self._network = network
        last = network.top.layers[-1]
        self._before_softmax = tf.keras.Model(network.top.inputs, network.top.get_layer("swish").output)
        self._kernel, self._bias = last.kernel, last.bias
        self._explain = tf.function(self._heat, reduce_retracing=True)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities (N, labels) of uint8 images (N, size, size, 3)."""
        return self._network.model(tf.cast(pixels, tf.float32), training=False).numpy()

    def heatmaps(self, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """What spoke for a class.

        Args:
            pixels: uint8 (N, size, size, 3). classes: (N,) indices of the labels to explain.

        Returns:
            float32 (N, h, w) of the target layer's size, each with a maximum of 1 (all 0 where nothing spoke for it).
        """
        return self._explain(tf.cast(pixels, tf.float32), tf.constant(classes, tf.int32)).numpy()

    def _heat(self, images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        activations = self._network.backbone(images, training=False)
        with tf.GradientTape() as tape:
            tape.watch(activations)
            hidden = self._before_softmax(tf.reduce_mean(activations, axis=(1, 2)), training=False)
            logits = tf.matmul(hidden, self._kernel) + self._bias
            chosen = tf.gather(logits, classes, batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(chosen, activations), axis=(1, 2))  # alpha_k^c of equation 1
        heat = tf.nn.relu(tf.einsum("nhwc,nc->nhw", activations, weights))  # equation 2
        return tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))
