"""What a method gets to see of a decision."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class View:
    """A batch of images inside the network.

    Attributes:
        activations: (N, h, w, K) of the target layer.
        classes: int (N,), the class to explain of each image.
        logits: pooled activations (M, K) -> logits (M, C): the head, from the mean over places on.
    """

    activations: tf.Tensor
    classes: tf.Tensor
    logits: Callable[[tf.Tensor], tf.Tensor]

    def score(self) -> tf.Tensor:
        """The logit (N,) of each image's class."""
        pooled = tf.reduce_mean(self.activations, axis=(1, 2))
        return tf.gather(self.logits(pooled), self.classes, batch_dims=1)

    def gradients(self) -> tf.Tensor:
        """d score / d activations, (N, h, w, K); it runs through the head only."""
        with tf.GradientTape() as tape:
            tape.watch(self.activations)
            score = self.score()
        return tape.gradient(score, self.activations)
