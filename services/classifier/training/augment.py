"""Moves of images, in TensorFlow: a training makes them in its steps (`moves.py` says which)."""

import tensorflow as tf


def apply_moves(images: tf.Tensor, transforms: tf.Tensor, light: tf.Tensor) -> tf.Tensor:
    """Images (N, size, size, 3), float32 in [0, 255], moved; what comes in at the border is reflected."""
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=transforms, output_shape=tf.shape(images)[1:3], fill_value=0.0,
        interpolation="BILINEAR", fill_mode="REFLECT",
    )  # fmt: skip
    means = tf.reduce_mean(moved, axis=(1, 2, 3), keepdims=True)
    contrast, brightness = light[:, 0, None, None, None], light[:, 1, None, None, None]
    return tf.clip_by_value((moved - means) * contrast + means + brightness, 0.0, 255.0)
