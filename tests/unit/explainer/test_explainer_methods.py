"""Every method against a case done by hand, torch's gradients and tf-keras-vis, on the same weights."""

from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.utils.scores import CategoricalScore

from defectory.errors import InvalidInput
from defectory.job_settings.explaining import Method
from services.classifier.architecture import Architecture
from services.classifier.model import Network, build
from services.explainer.cam import Cam
from services.explainer.methods import METHODS
from services.explainer.methods.view import View

# Two channels of 2 x 2 places, one hidden layer of two units (ReLU), two classes: small enough for paper.
ACTIVATIONS = np.array([[[[1.0, 0.0], [2.0, 1.0]], [[0.0, 3.0], [1.0, 0.0]]]], np.float32)  # means 1 and 1
FIRST = np.array([[1.0, -1.0], [2.0, 1.0]], np.float32)  # hidden = relu(pooled @ FIRST) = (3, 0)
SECOND = np.array([[0.5, -1.0], [4.0, 4.0]], np.float32)  # logits = hidden @ SECOND = (1.5, -3)


def by_hand(label: int) -> View:
    def logits(pooled: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.nn.relu(tf.matmul(pooled, FIRST)), SECOND)

    return View(tf.constant(ACTIVATIONS), tf.constant([label]), logits)


def test_grad_cam_by_hand() -> None:
    # Only hidden unit 0 is on: d logit_0 / d pooled = 0.5 (1, 2), a quarter of it for each of the four places.
    weights = 0.5 * np.array([1.0, 2.0]) / 4
    expected = ACTIVATIONS[0] @ weights  # (2, 2), all positive
    np.testing.assert_allclose(METHODS["grad-cam"](by_hand(0))[0], expected, atol=1e-6)
    # Class 1 is spoken against everywhere: nothing is left after the ReLU.
    assert (METHODS["grad-cam"](by_hand(1))[0].numpy() == 0).all()


def test_grad_cam_plus_plus_by_hand() -> None:
    gradient = 0.5 * np.array([1.0, 2.0]) / 4  # at every place
    alpha = gradient**2 / (2 * gradient**2 + ACTIVATIONS[0].sum(axis=(0, 1)) * gradient**3)
    weights = 4 * alpha * gradient  # four places, all alike
    np.testing.assert_allclose(METHODS["grad-cam++"](by_hand(0))[0], ACTIVATIONS[0] @ weights, atol=1e-6)


def test_ablation_cam_by_hand() -> None:
    # Without channel 0: pooled (0, 1), hidden (2, 1), logit 5. Without channel 1: pooled (1, 0), hidden (1, 0), 0.5.
    weights = np.array([1.5 - 5.0, 1.5 - 0.5])
    expected = np.maximum(ACTIVATIONS[0] @ weights, 0)
    np.testing.assert_allclose(METHODS["ablation-cam"](by_hand(0))[0], expected, atol=1e-6)


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network()


def random_network() -> Network:
    network = build(Architecture(labels=("a", "b", "c"), input_px=96, width_multiplier=0.35, head_units=24), seed=3)
    random = np.random.default_rng(0)
    for weight in network.top.weights:  # random statistics too, so that nothing is left out by being 0 or 1
        spread = random.normal(0, 0.3, weight.shape)
        weight.assign(np.abs(spread) + 0.5 if "variance" in weight.path else spread)
    return network


@pytest.fixture(scope="module")
def loud_network(pixels: np.ndarray) -> Network:
    """Random weights leave activations of 1e-12: what a channel is worth would be lost where logits are rounded."""
    network = random_network()
    last = network.base.get_layer("Conv_1_bn")
    last.gamma.assign(last.gamma / np.max(network.backbone(tf.cast(pixels, tf.float32))))
    return network


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 96, 96, 3)).astype(np.uint8)


class TorchHead(torch.nn.Module):
    """The head once more, in torch, on the same weights."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        layer = network.top.get_layer
        tensors = {"dense": layer("dense"), "norm": layer("normalisation"), "out": layer("probabilities")}
        self.tensors = {name: [torch.tensor(w.numpy()) for w in part.weights] for name, part in tensors.items()}
        self.epsilon = layer("normalisation").epsilon

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        kernel, bias = self.tensors["dense"]
        gamma, beta, mean, variance = self.tensors["norm"]
        out_kernel, out_bias = self.tensors["out"]
        x = activations.mean(dim=(2, 3)) @ kernel + bias
        x = (x - mean) / torch.sqrt(variance + self.epsilon) * gamma + beta
        return torch.nn.functional.silu(x) @ out_kernel + out_bias


def torch_heat(method: str, network: Network, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Heat (N, h, w) by the published formulas with torch's autograd."""
    feature_maps = network.backbone(pixels.astype(np.float32), training=False).numpy()
    activations = torch.tensor(feature_maps.transpose(0, 3, 1, 2), requires_grad=True)  # (N, K, h, w)
    head = TorchHead(network)
    score = head(activations)[torch.arange(len(classes)), torch.tensor(classes)]
    if method == "grad-cam++":  # of exp(score), whose derivatives are those of the paper's equation 19
        gradient = torch.autograd.grad(torch.exp(score).sum(), activations, retain_graph=True)[0]
        plain = torch.autograd.grad(score.sum(), activations)[0]
        scale = torch.exp(score.detach())[:, None, None, None]
        second, third = scale * plain**2, scale * plain**3
        places = activations.detach().sum(dim=(2, 3), keepdim=True)
        alpha = torch.nan_to_num(second / (2 * second + places * third))
        weights = (alpha * torch.relu(gradient)).sum(dim=(2, 3))
    elif method == "ablation-cam":
        with torch.no_grad():
            drops = []
            for k in range(activations.shape[1]):
                without = activations.clone()
                without[:, k] = 0
                drops.append(score - head(without)[torch.arange(len(classes)), torch.tensor(classes)])
            weights = torch.stack(drops, dim=1)
    else:
        gradient = torch.autograd.grad(score.sum(), activations)[0]
        if method == "hires-cam":
            return torch.relu((activations * gradient).sum(dim=1)).detach().numpy()
        weights = gradient.mean(dim=(2, 3))
    return torch.relu((activations * weights[:, :, None, None]).sum(dim=1)).detach().numpy()


@pytest.mark.parametrize("method", METHODS)
def test_against_torch_on_the_same_weights(method: str, loud_network: Network, pixels: np.ndarray) -> None:
    classes = np.array([0, 1, 2, 1, 0])
    raw = torch_heat(method, loud_network, pixels, classes)
    peak = raw.max(axis=(1, 2), keepdims=True)
    expected = np.divide(raw, peak, out=np.zeros_like(raw), where=peak > 0)
    heats = Cam(loud_network, method).heats(pixels, classes)
    assert heats.heat.shape == (5, 3, 3)
    # Ablation's weights are differences of nearly equal scores: what they lose depends on the processor.
    np.testing.assert_allclose(heats.heat, expected, atol=2e-3 if method == "ablation-cam" else 2e-4)
    assert (heats.classes == classes).all()


@pytest.mark.parametrize(("method", "theirs"), [("grad-cam", Gradcam), ("grad-cam++", GradcamPlusPlus)])
def test_against_tf_keras_vis_on_the_same_weights(
    method: str, theirs: type, network: Network, pixels: np.ndarray
) -> None:
    classes = [0, 1, 2, 1, 0]
    activations = keras.Input(network.backbone.output_shape[1:])
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation("linear", name="target")(activations))
    for name in ("dense", "normalisation", "swish"):
        x = network.top.get_layer(name)(x)
    logits = keras.layers.Dense(3, name="logits")
    head = keras.Model(activations, logits(x))
    logits.set_weights(network.top.get_layer("probabilities").get_weights())
    given = network.backbone(pixels.astype(np.float32), training=False).numpy()
    raw = theirs(head, clone=False)(
        CategoricalScore(classes), given, penultimate_layer="target", seek_penultimate_conv_layer=False,
        expand_cam=False, normalize_cam=False,
    )  # fmt: skip
    peak = np.max(raw, axis=(1, 2), keepdims=True)
    expected = np.divide(raw, peak, out=np.zeros_like(raw), where=peak > 0)
    np.testing.assert_allclose(Cam(network, method).heats(pixels, np.array(classes)).heat, expected, atol=2e-4)


def test_one_graph_gives_the_networks_own_answer(network: Network, pixels: np.ndarray) -> None:
    heats = Cam(network).heats(pixels)
    expected = network.model(pixels.astype(np.float32), training=False).numpy()
    np.testing.assert_allclose(heats.probabilities, expected, atol=1e-5)
    assert (heats.classes == expected.argmax(axis=1)).all()
    given = Cam(network).heats(pixels, expected.argmax(axis=1))
    np.testing.assert_array_equal(heats.heat, given.heat)


def test_behind_a_mean_over_places_hires_cam_is_grad_cam(network: Network, pixels: np.ndarray) -> None:
    grad, hires = (Cam(network, method).heats(pixels).heat for method in ("grad-cam", "hires-cam"))
    np.testing.assert_allclose(hires, grad, atol=1e-5)


def test_an_unknown_method_names_those_there_are(network: Network) -> None:
    with pytest.raises(InvalidInput, match=r"grad-cam, grad-cam\+\+, hires-cam, ablation-cam"):
        Cam(network, "guess")


def test_every_method_can_be_chosen() -> None:
    assert tuple(METHODS) == get_args(Method)
