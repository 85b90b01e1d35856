"""The paper's network: one builder for one architecture.

MobileNetV2 without its top, then global average pooling, dropout, dense (L2), batch normalisation, swish, softmax (L2):
Giedra & Vdoviak (2024). Input scaling is part of the network, so what is served is what was trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from defectory.phases import phase
from services.classifier.architecture import Architecture

TOP_FROM = "block_13_expand"  # where the part of the base begins that trainable_base "top" trains


@dataclass(frozen=True)
class Network:
    """One network and the parts that share its weights.

    Attributes:
        model: images (N, input_px, input_px, 3) in [0, 255] -> probabilities (N, labels).
        backbone: images -> the target layer's activations (N, h, w, channels).
        head: activations -> probabilities.
        embed: images -> pooled activations (N, channels).
        top: pooled activations -> probabilities.
        base: the Keras application inside the backbone.
    """

    model: keras.Model
    backbone: keras.Model
    head: keras.Model
    embed: keras.Model
    top: keras.Model
    base: keras.Model

    @cached_property
    def answer(self) -> tf.types.experimental.GenericFunction:
        """The compiled `model`."""
        return compiled(lambda images: self.model(images, training=False), self.model.input_shape[1:])


class _Standing(keras.Model):
    """A Keras application whose batch normalisation keeps its statistics, whatever it is called with.

    A few dozen images are too few to estimate them anew. To call it with training=False while the network is built is
    not enough: a functional model hands the `training` that it is called with to all that it consists of, and replaces
    theirs.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        return super().call(inputs, training=False, mask=mask)


def compiled(call: Callable[..., Any], *shapes: Sequence[int]) -> tf.types.experimental.GenericFunction:
    """A function of float32 batches as one graph, traced once whatever their length: tracing takes seconds.

    Args:
        shapes: of one element of each argument's batch.
    """
    # Autograph, which rewrites Python's branches on tensors, finds none here and takes a third of the time.
    signature = [tf.TensorSpec((None, *shape), tf.float32) for shape in shapes]
    return tf.function(call, input_signature=signature, autograph=False)


def weights_of(network: Network) -> dict[str, np.ndarray]:
    """All of its weights by their paths."""
    return {weight.path: weight.numpy() for weight in network.model.weights}


def probabilities(network: Network, pixels: np.ndarray, batch: int = 64) -> np.ndarray:
    """The network's answers, float32 (N, labels), to images (N, size, size, 3) in [0, 255]."""
    starts = range(0, len(pixels), batch)
    parts = [network.answer(tf.cast(pixels[start : start + batch], tf.float32)).numpy() for start in starts]
    return np.concatenate(parts) if parts else np.zeros((0, network.model.output_shape[-1]), np.float32)


def split_at(network: Network, first: str) -> tuple[keras.Model, keras.Model]:
    """Two models that share the network's weights: images -> what a layer takes, and from there to `backbone`'s output.

    Args:
        first: the layer of the base, by name. Batch normalisation keeps its statistics on both sides.
    """
    boundary = network.base.get_layer(first).input
    images = keras.Input(network.model.input_shape[1:], name="image")
    stem = _Standing(network.base.input, boundary, name="stem")
    rest = _Standing(boundary, network.base.output, name="rest")
    return keras.Model(images, stem(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images))), rest


def settle(top: keras.Model, embeddings: np.ndarray) -> None:
    """Give the head's batch normalisation the statistics of embeddings (N, channels) under the present weights.

    Moving averages would lag behind: after ten steps they are nine tenths what they began with, and while the base
    learns the head's input runs away from them (PreciseBN: Wu & Johnson 2021, arXiv:2105.07576, section 3).
    """
    normalisation = top.get_layer("normalisation")
    hidden = top.get_layer("dense")(embeddings).numpy()
    normalisation.moving_mean.assign(hidden.mean(axis=0))
    normalisation.moving_variance.assign(hidden.var(axis=0))


@phase("starting")
def build(architecture: Architecture, seed: int = 0, *, keeps_statistics: bool = True) -> Network:
    """Build the network with random weights drawn from the seed.

    Args:
        keeps_statistics: whether the base's batch normalisation keeps its moving statistics in training, as it must
            where weights of a pre-training are loaded; a base that starts from nothing has none, and estimates its own.
    """
    keras.utils.set_random_seed(seed)
    size = architecture.input_px
    base = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), alpha=architecture.width_multiplier, include_top=False, weights=None
    )
    images = keras.Input((size, size, 3), name="image")
    if keeps_statistics:
        base = _Standing(base.input, base.output, name=base.name)
    features = base(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images))
    backbone = keras.Model(images, features, name="backbone")

    top = build_top(architecture, features.shape[-1], seed)
    pooling = keras.layers.GlobalAveragePooling2D(name="pooling")
    activations = keras.Input(features.shape[1:], name="activations")
    head = keras.Model(activations, top(pooling(activations)), name="head")
    return Network(
        model=keras.Model(images, head(features), name="classifier"),
        backbone=backbone,
        head=head,
        embed=keras.Model(images, pooling(features), name="embed"),
        top=top,
        base=base,
    )


def build_top(architecture: Architecture, channels: int, seed: int) -> keras.Model:
    """The part of the network behind the pooling, with random weights drawn from the seed."""
    keras.utils.set_random_seed(seed)

    def penalty() -> keras.Regularizer:
        return keras.regularizers.L2(architecture.l2)

    pooled = keras.Input((channels,), name="embedding")
    x = keras.layers.Dropout(architecture.dropout, seed=seed, name="dropout")(pooled)
    x = keras.layers.Dense(
        architecture.head_units, kernel_regularizer=penalty(), bias_regularizer=penalty(), name="dense"
    )(x)
    x = keras.layers.Activation("swish", name="swish")(keras.layers.BatchNormalization(name="normalisation")(x))
    outputs = keras.layers.Dense(
        len(architecture.labels), "softmax", kernel_regularizer=penalty(), bias_regularizer=penalty(),
        name="probabilities",
    )(x)  # fmt: skip
    return keras.Model(pooled, outputs, name="top")
