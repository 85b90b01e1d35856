"""Grad-CAM against the gradient of the whole network and by hand; boxes against SciPy's labelling."""

import numpy as np
import tensorflow as tf
from scipy import ndimage

from services.classifier.model import Architecture, build
from services.explainer.boxes import find_boxes
from services.explainer.grad_cam import GradCam


def test_against_the_formula_with_a_gradient_through_everything() -> None:
    network = build(Architecture(labels=("a", "b", "c"), input_px=96, width_multiplier=0.35, head_units=8), seed=3)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3)).astype(np.uint8)
    classes = np.array([0, 1, 2, 1])
    with tf.GradientTape() as tape:
        activations = network.backbone(tf.cast(pixels, tf.float32), training=False)
        tape.watch(activations)
        # log p_c differs from the logit by the log of the softmax's sum; its gradient puts the other classes in.
        p = network.head(activations, training=False)
        logits = tf.math.log(p)
        centred = logits - tf.reduce_mean(logits, axis=1, keepdims=True)
        chosen = tf.gather(centred, classes, batch_dims=1)
    of_differences = tape.gradient(chosen, activations).numpy().mean(axis=(1, 2))
    cam = GradCam(network)
    heat = cam.heatmaps(pixels, classes)
    # alpha of the logit minus the mean alpha over classes is the gradient of the centred log-probability
    alphas = np.stack([_alpha(network, activations, np.full(4, c)) for c in range(3)])
    expected_difference = alphas[classes, np.arange(4)] - alphas.mean(axis=0)
    np.testing.assert_allclose(of_differences, expected_difference, atol=1e-5)
    raw = np.maximum(np.einsum("nhwc,nc->nhw", activations.numpy(), alphas[classes, np.arange(4)]), 0)
    peak = raw.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(heat, np.divide(raw, peak, out=np.zeros_like(raw), where=peak > 0), atol=1e-4)
    assert heat.shape == (4, 3, 3)


def _alpha(network, activations: tf.Tensor, classes: np.ndarray) -> np.ndarray:
    """Channel weights in closed form: the head is dense, normalisation, swish, dense on the mean activation."""
    kernel, bias = (w.numpy() for w in network.top.get_layer("dense").weights)
    gamma, beta, mean, variance = (w.numpy() for w in network.top.get_layer("normalisation").weights)
    out_kernel = network.top.get_layer("probabilities").weights[0].numpy()
    scale = gamma / np.sqrt(variance + network.top.get_layer("normalisation").epsilon)
    z = ((activations.numpy().mean(axis=(1, 2)) @ kernel + bias) - mean) * scale + beta
    sigmoid = 1 / (1 + np.exp(-z))
    swish_slope = sigmoid + z * sigmoid * (1 - sigmoid)
    area = activations.shape[1] * activations.shape[2]
    return (out_kernel[:, classes].T * swish_slope * scale) @ kernel.T / area


def test_boxes_are_the_connected_parts() -> None:
    random = np.random.default_rng(1)
    heat = ndimage.gaussian_filter(random.random((40, 60)), 3)
    heat = (heat - heat.min()) / (heat.max() - heat.min())
    boxes = find_boxes(heat, 0.6)
    labelled, count = ndimage.label(heat >= 0.6 * heat.max(), structure=np.ones((3, 3)))
    expected = sorted(
        (s[1].start, s[0].start, s[1].stop - s[1].start, s[0].stop - s[0].start) for s in ndimage.find_objects(labelled)
    )
    assert count == len(boxes) > 1
    assert sorted((b.x, b.y, b.width, b.height) for b in boxes) == expected
    areas = [b.width * b.height for b in boxes]
    assert areas == sorted(areas, reverse=True)


def test_no_heat_no_boxes() -> None:
    assert find_boxes(np.zeros((5, 5))) == []
