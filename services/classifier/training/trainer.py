"""The training steps of one network: compiled once, used for every cycle."""

import hashlib
import io
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from services.classifier.model import TOP_FROM, Architecture, Network, build
from services.classifier.settings import TrainingSettings

EVALUATION_BATCH = 128


class Trainer:
    """A network, its optimiser and their compiled steps.

    With a frozen base the images are embedded once and only the head works from then on: the same result, for nothing.
    """

    def __init__(self, architecture: Architecture, settings: TrainingSettings) -> None:
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(0)
        self._architecture = architecture
        self._base_weights: list[np.ndarray] | None = None
        self.network: Network = build(architecture)
        self._frozen = settings.trainable_base == "none"
        _choose_trainable(self.network, settings.trainable_base)
        self._trained = self.network.top if self._frozen else self.network.model
        self._optimizer = keras.optimizers.Adam(settings.learning_rate)
        self._optimizer.build(self._trained.trainable_variables)
        self._fresh_optimizer = [v.numpy() for v in self._optimizer.variables]
        # alpha 1: no weighting beyond the focal term, as binary focal cross-entropy has it by default
        self._loss = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=settings.focal_gamma)
        self._step = tf.function(self._train_step, reduce_retracing=True)
        self._predict = tf.function(lambda x: self._trained(x, training=False), reduce_retracing=True)

    def keep_base(self) -> str:
        """Start every cycle from the base's present weights; their SHA-256."""
        self._base_weights = self.network.base.get_weights()
        return hashlib.sha256(b"".join(weight.tobytes() for weight in self._base_weights)).hexdigest()

    def start_cycle(self, seed: int) -> None:
        """Forget everything and start from the seed (and the base that was kept, if one was)."""
        fresh = build(self._architecture, seed)
        if self._base_weights is not None:
            fresh.base.set_weights(self._base_weights)
        for ours, theirs in zip(self.network.model.variables, fresh.model.variables, strict=True):
            ours.assign(theirs)
        for variable, value in zip(self._optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """What the steps take for these images: the images, or their embeddings when the base is frozen."""
        if not self._frozen:
            return pixels
        embed = tf.function(lambda x: self.network.embed(x, training=False), reduce_retracing=True)
        parts = [embed(tf.cast(x, tf.float32)).numpy() for x in _blocks(pixels)]
        return np.concatenate(parts) if parts else np.zeros((0, self.network.embed.output_shape[-1]), np.float32)

    def train(self, inputs: np.ndarray, one_hot: np.ndarray) -> np.ndarray:
        """One optimiser step on a batch; returns the probabilities that it saw (batch, labels)."""
        return self._step(tf.cast(inputs, tf.float32), tf.constant(one_hot)).numpy()

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Probabilities (N, labels)."""
        parts = [self._predict(tf.cast(x, tf.float32)).numpy() for x in _blocks(inputs)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self._architecture.labels)), np.float32)

    def state(self) -> bytes:
        """Weights, optimiser and random states as a NumPy archive."""
        buffer = io.BytesIO()
        np.savez(buffer, *[v.numpy() for v in self._variables()])
        return buffer.getvalue()

    def set_state(self, data: bytes) -> None:
        """Go on from what `state` gave."""
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            for number, variable in enumerate(self._variables()):
                variable.assign(archive[f"arr_{number}"])

    def _variables(self) -> list[keras.Variable]:
        return [*self.network.model.variables, *self._optimizer.variables]

    def _train_step(self, inputs: tf.Tensor, one_hot: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            probabilities = self._trained(inputs, training=True)
            loss = self._loss(one_hot, probabilities) + tf.add_n(self._trained.losses)
        gradients = tape.gradient(loss, self._trained.trainable_variables)
        self._optimizer.apply(gradients, self._trained.trainable_variables)
        return probabilities


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(array), EVALUATION_BATCH):
        yield array[start : start + EVALUATION_BATCH]


def _choose_trainable(network: Network, part: str) -> None:
    network.base.trainable = part != "none"
    if part == "top":
        names = [layer.name for layer in network.base.layers]
        for layer in network.base.layers[: names.index(TOP_FROM)]:
            layer.trainable = False
