"""The optimiser in one operation takes the steps that Keras' takes."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from services.classifier.training.fused_adam import FusedAdam

STEPS = 40


def ended(kind: type, start: Sequence[np.ndarray], gradients: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Variables, and the optimiser's, after a step with each of the gradients, at a rate that falls."""
    variables = [keras.Variable(value) for value in start]
    optimizer = kind(0.01)
    optimizer.build(variables)
    step = tf.function(lambda *of_step: optimizer.apply(list(of_step), variables), autograph=False)
    for number, of_step in enumerate(gradients):
        optimizer.learning_rate.assign(0.01 / (1 + number))
        step(*of_step)
    return [variable.numpy() for variable in (*variables, *optimizer.variables)]


def test_it_takes_the_steps_of_keras_at_a_rate_that_changes() -> None:
    random = np.random.default_rng(0)
    shapes = [(7, 5), (5,), (2, 3, 4)]
    start = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    gradients = [[random.normal(size=shape).astype(np.float32) for shape in shapes] for _ in range(STEPS)]
    by_keras = ended(keras.optimizers.Adam, start, gradients)
    fused = ended(FusedAdam, start, gradients)
    assert len(fused) == len(by_keras)
    for given, wanted in zip(fused, by_keras, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=2e-5, atol=1e-6)
    assert np.abs(fused[0] - start[0]).max() > 0.01
    assert STEPS in [int(value) for value in fused if value.ndim == 0 and value > 1]
