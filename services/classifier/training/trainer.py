"""The training steps of one network: compiled once, used for every cycle."""

import io
import math
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from services.classifier.architecture import Architecture
from services.classifier.data import Stage
from services.classifier.features import Base
from services.classifier.model import TOP_FROM, Network, build, build_top, compiled, settle, split_at, weights_of
from services.classifier.settings import TrainingSettings
from services.classifier.standing import standing_base
from services.classifier.training.augment import apply_moves
from services.classifier.training.fused_adam import FusedAdam
from services.classifier.training.moves import Moves

EVALUATION_BATCH = 128


class Trainer:
    """A network, its optimisers and their compiled steps.

    What is frozen computes its features once, and only what is behind it works from then on: the same result, for
    nothing. While all of the base is frozen (in the warm-up, or for good) that is the head, on embeddings; while its
    top is trained it is the top and the head, on what the stem in front of it gives.

    The base and the head have an Adam each, so that their rates can differ; with
    equal rates that is one Adam, which knows nothing of a variable but its own gradients.
    """

    def __init__(self, architecture: Architecture, settings: TrainingSettings, class_weights: np.ndarray) -> None:
        """Build and compile.

        Args:
            class_weights: (labels,), weights of the loss by the true label.
        """
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(0)
        self.architecture, self._settings = architecture, settings
        self._base_weights: list[np.ndarray] | None = None
        self._standing: Base | None = None  # as cycles start
        self._keeps_statistics = settings.initial_weights != "random"
        self.network: Network = build(architecture, keeps_statistics=self._keeps_statistics)
        _choose_trainable(self.network, settings.trainable_base)
        self._head_optimizer = FusedAdam(settings.learning_rate)
        self._head_optimizer.build(self.network.top.trainable_variables)
        self._base_optimizer = FusedAdam(settings.learning_rate)
        self._base_optimizer.build(self.network.base.trainable_variables)
        self._fresh_optimizers = [v.numpy() for v in self._optimizer_variables()]
        self._class_weights = tf.constant(class_weights, tf.float32)
        image, embedding, label = (
            self.network.model.input_shape[1:], self.network.top.input_shape[1:], (len(architecture.labels),)
        )  # fmt: skip
        self._head_step = compiled(self._train_head, embedding, label)
        self._whole_step = compiled(self._train_whole, image, label)
        self._predict_head = compiled(lambda x: self.network.top(x, training=False), embedding)
        if settings.trainable_base == "top":
            self._stem, self._rest = split_at(self.network, TOP_FROM)
            stemmed = self._stem.output_shape[1:]
            self._compute_stem = compiled(lambda x: self._stem(x, training=False), image)
            self._stem_step = compiled(self._train_from_stem, stemmed, label)
            self._predict_stem = compiled(self._answer_stem, stemmed)
            self._pool_stem = compiled(lambda x: tf.reduce_mean(self._rest(x), axis=(1, 2)), stemmed)
        self._embed = compiled(lambda x: self.network.embed(x, training=False), image)

    def keep_base(self) -> Base:
        """Start every cycle from the base's present weights."""
        self._base_weights = self.network.base.get_weights()
        self._standing = standing_base(self.architecture, weights_of(self.network))
        return self._standing

    @property
    def cycles_start_alike(self) -> bool:
        """Whether the base, and with it what it makes of the images, is the same at the start of every cycle."""
        return self._base_weights is not None

    def start_cycle(self, seed: int) -> None:
        """Forget everything and start from the seed (and the base that was kept, if one was)."""
        if self._base_weights is None:
            fresh = build(self.architecture, seed, keeps_statistics=self._keeps_statistics)
            base, top = fresh.base.get_weights(), fresh.top
        else:
            base, top = self._base_weights, build_top(self.architecture, self.network.top.input_shape[-1], seed)
        self.network.base.set_weights(base)
        for ours, theirs in zip(self.network.top.variables, top.variables, strict=True):
            ours.assign(theirs)
        for variable, value in zip(self._optimizer_variables(), self._fresh_optimizers, strict=True):
            variable.assign(value)

    def features(self, stage: Stage, pixels: np.ndarray) -> np.ndarray:
        """What an epoch of that stage takes, of images (N, size, size, 3)."""
        if stage == "pixels":
            return pixels
        if stage == "pooled":  # epochs on embeddings come before those that change the base, if any does
            return self._standing.embed(pixels) if self._standing else self.embed(pixels)
        return self._in_blocks(self._compute_stem, pixels, self._stem.output_shape[1:])

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """What the head takes, (N, channels), of images (N, size, size, 3) under the base's present weights."""
        return self._in_blocks(self._embed, pixels, self.network.embed.output_shape[1:])

    def train(self, inputs: np.ndarray, labels: np.ndarray, progress: float, moves: Moves | None) -> np.ndarray:
        """One optimiser step; returns the probabilities that it saw (batch, labels).

        Args:
            inputs: of any stage, of a batch: embeddings train the head, others everything that is trainable.
            labels: (batch,) indices.
            progress: how much of the steps after the warm-up is behind, in [0, 1); negative in the warm-up.
            moves: changes of the images; None with other inputs.
        """
        one_hot = np.eye(len(self.architecture.labels), dtype=np.float32)[labels]
        rate = _rate(self._settings, progress)
        self._head_optimizer.learning_rate.assign(rate)
        if inputs.ndim == 2:
            of_head: np.ndarray = self._head_step(inputs, one_hot).numpy()
            return of_head
        self._base_optimizer.learning_rate.assign(rate * self._settings.base_rate)
        images = tf.cast(inputs, tf.float32)
        if self._is_stem(inputs):
            of_stem: np.ndarray = self._stem_step(images, one_hot).numpy()
            return of_stem
        if moves is not None:
            images = _move(images, moves.transforms, moves.light)
        of_all: np.ndarray = self._whole_step(images, one_hot).numpy()
        return of_all

    def settle(self, inputs: np.ndarray) -> None:
        """Settle the head's batch normalisation on inputs of any stage: before it answers, after steps."""
        if self._is_stem(inputs):
            inputs = self._in_blocks(self._pool_stem, inputs, self.network.embed.output_shape[1:])
        settle(self.network.top, inputs if inputs.ndim == 2 else self.embed(inputs))

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Probabilities (N, labels) of inputs of any stage."""
        step = self._predict_head if inputs.ndim == 2 else self.network.answer
        if self._is_stem(inputs):
            step = self._predict_stem
        return self._in_blocks(step, inputs, (len(self.architecture.labels),))

    def state(self) -> bytes:
        """What was trained since the cycle started, its optimisers and random states, as a NumPy archive."""
        buffer = io.BytesIO()
        of_base = self._base_variables() if self._base_optimizer.iterations.numpy() else []
        np.savez(buffer, *[v.numpy() for v in [*self._head_variables(), *of_base]])
        return buffer.getvalue()

    def set_state(self, data: bytes) -> None:
        """Go on from what `state` gave, after `start_cycle`."""
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            variables = [*self._head_variables(), *self._base_variables()]
            for number, variable in enumerate(variables[: len(archive.files)]):
                variable.assign(archive[f"arr_{number}"])

    def _head_variables(self) -> list[keras.Variable]:
        return [*self.network.top.variables, *self._head_optimizer.variables]

    def _base_variables(self) -> list[keras.Variable]:
        return [*self.network.base.variables, *self._base_optimizer.variables]

    def _optimizer_variables(self) -> list[keras.Variable]:
        return [*self._head_optimizer.variables, *self._base_optimizer.variables]

    def _train_head(self, embeddings: tf.Tensor, one_hot: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            probabilities = self.network.top(embeddings, training=True)
            loss = self._loss(one_hot, probabilities)
        variables = self.network.top.trainable_variables
        self._head_optimizer.apply(tape.gradient(loss, variables), variables)
        return probabilities

    def _is_stem(self, inputs: np.ndarray) -> bool:
        return inputs.ndim == 4 and inputs.shape[1:] != self.network.model.input_shape[1:]

    def _answer_stem(self, stem: tf.Tensor) -> tf.Tensor:
        return self.network.head(self._rest(stem), training=False)

    def _train_whole(self, images: tf.Tensor, one_hot: tf.Tensor) -> tf.Tensor:
        return self._train_all(lambda: self.network.model(images, training=True), one_hot)

    def _train_from_stem(self, stem: tf.Tensor, one_hot: tf.Tensor) -> tf.Tensor:
        return self._train_all(lambda: self.network.head(self._rest(stem), training=True), one_hot)

    def _train_all(self, forward: Callable[[], tf.Tensor], one_hot: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            probabilities = forward()
            loss = self._loss(one_hot, probabilities)
        of_head, of_base = self.network.top.trainable_variables, self.network.base.trainable_variables
        gradients = tape.gradient(loss, [*of_head, *of_base])
        self._head_optimizer.apply(gradients[: len(of_head)], of_head)
        if of_base:
            self._base_optimizer.apply(gradients[len(of_head) :], of_base)
        return probabilities

    def _loss(self, one_hot: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        settings = self._settings
        losses = focal_loss(one_hot, probabilities, settings.focal_gamma, settings.label_smoothing)
        weights = tf.linalg.matvec(one_hot, self._class_weights)
        return tf.reduce_mean(losses * weights) + tf.add_n(self.network.top.losses)

    def _in_blocks(
        self, step: tf.types.experimental.GenericFunction, inputs: np.ndarray, shape: tuple[int, ...]
    ) -> np.ndarray:
        parts = [step(tf.cast(x, tf.float32)).numpy() for x in _blocks(inputs)]
        return np.concatenate(parts) if parts else np.zeros((0, *shape), np.float32)


def focal_loss(one_hot: tf.Tensor, probabilities: tf.Tensor, gamma: float, smoothing: float) -> tf.Tensor:
    """Focal cross-entropy of every image, (N,) (Lin et al. 2017, arXiv:1708.02002), without alpha.

    Over two labels it is the binary one: both outputs of a softmax say the same, and both of its halves are the
    true label's. Over more it is the categorical one.

    Args:
        one_hot: (N, C). probabilities: (N, C). smoothing: share of the target spread over all labels.
    """
    labels = one_hot.shape[-1]
    targets = one_hot * (1.0 - smoothing) + smoothing / labels
    p = tf.clip_by_value(probabilities, keras.config.epsilon(), 1.0 - keras.config.epsilon())
    return tf.reduce_sum(-targets * (1.0 - p) ** gamma * tf.math.log(p), axis=-1)


_move = tf.function(apply_moves, reduce_retracing=True)


def _rate(settings: TrainingSettings, progress: float) -> float:
    if progress < 0:
        return settings.warmup_rate
    share = (1 + math.cos(math.pi * progress)) / 2 if settings.decay == "cosine" else 1.0
    return settings.learning_rate * share


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(array), EVALUATION_BATCH):
        yield array[start : start + EVALUATION_BATCH]


def _choose_trainable(network: Network, part: str) -> None:
    network.base.trainable = part != "none"
    if part == "top":
        names = [layer.name for layer in network.base.layers]
        for layer in network.base.layers[: names.index(TOP_FROM)]:
            layer.trainable = False
