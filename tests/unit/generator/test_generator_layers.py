"""Layers against slow, explicit computations."""

import math

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2 import layers

FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def explicit_modulated(weight: Tensor, x: Tensor, style: Tensor, up: bool) -> np.ndarray:
    """The paper's equations 1 to 3 with a kernel built for every sample; the up-sampling one after the other."""
    outputs = []
    for sample, s in zip(x, style, strict=True):
        kernel = weight * s[None, :, None, None] / math.sqrt(weight.shape[1] * 9)
        kernel = (kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()).numpy()
        rows = []
        for kernel_o in kernel:
            if up:
                filled = np.zeros((len(sample), 2 * x.shape[2] - 1, 2 * x.shape[3] - 1))
                filled[:, ::2, ::2] = sample.numpy()
                whole = sum(scipy.signal.convolve2d(c, k) for c, k in zip(filled, kernel_o, strict=True))
                rows.append(scipy.signal.convolve2d(whole, 4 * FIR)[1 + 1 : -1 - 1, 1 + 1 : -1 - 1])
            else:
                pairs = zip(sample.numpy(), kernel_o, strict=True)
                rows.append(sum(scipy.signal.correlate2d(c, k, mode="same") for c, k in pairs))
        outputs.append(np.stack(rows))
    return np.stack(outputs)


@pytest.mark.parametrize("up", [False, True])
def test_modulated_convolution_equals_kernels_built_per_sample(up: bool) -> None:
    conv = layers.ModulatedConv2d(5, 4, up=up).double()
    x, style = torch.randn(3, 5, 6, 6).double(), torch.randn(3, 5).double()
    with torch.no_grad():
        y, scale = conv(x.clone(), style)  # without gradients it may overwrite what it is given
    expected = explicit_modulated(conv.weight.detach(), x, style, up)
    np.testing.assert_allclose((y * scale[:, :, None, None]).numpy(), expected, atol=1e-6)


def test_demodulated_activations_have_unit_deviation_whatever_the_style() -> None:
    conv = layers.ModulatedConv2d(64, 64)
    x = torch.randn(8, 64, 16, 16)
    with torch.no_grad():
        y, scale = conv(x, torch.randn(8, 64) * 7 + 3)
    inner = (y * scale[:, :, None, None])[:, :, 1:-1, 1:-1]
    assert inner.std() == pytest.approx(1, abs=0.02)


def test_a_synthesis_layer_gives_the_same_with_and_without_gradients() -> None:
    layer = layers.SynthesisLayer(6, 5, 8, 16, up=True)
    torch.nn.init.normal_(layer.noise_strength)
    torch.nn.init.normal_(layer.bias)
    x, w, noise = torch.randn(2, 6, 8, 8), torch.randn(2, 8), torch.randn(2, 1, 16, 16)
    with_gradients = layer(x, w, noise).detach()
    with torch.inference_mode():
        torch.testing.assert_close(layer(x, w, noise), with_gradients, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("maps", [1, 2])  # for the whole batch, and for each image
def test_noise_and_bias_are_added_before_the_activation(maps: int) -> None:
    layer = layers.SynthesisLayer(6, 5, 8, 16)
    torch.nn.init.constant_(layer.noise_strength, 0.3)
    torch.nn.init.normal_(layer.bias)
    x, w, noise = torch.randn(2, 6, 16, 16), torch.randn(2, 8), torch.randn(maps, 1, 16, 16)
    y, scale = layer.conv(x, layer.affine(w))
    before = y * scale[:, :, None, None] + 0.3 * noise + layer.bias[None, :, None, None]
    torch.testing.assert_close(layer(x, w, noise), F.leaky_relu(before, 0.2) * math.sqrt(2))


def test_to_image_is_a_styled_convolution_without_demodulation() -> None:
    layer = layers.ToImage(6, 3, 8)
    torch.nn.init.normal_(layer.bias)
    x, w = torch.randn(2, 6, 5, 5).to(memory_format=torch.channels_last), torch.randn(2, 8)
    style = layer.affine(w) / math.sqrt(6)
    expected = torch.einsum("nihw,ni,oi->nohw", x, style, layer.weight) + layer.bias[None, :, None, None]
    torch.testing.assert_close(layer(x, w), expected)


@pytest.mark.parametrize(("kernel_px", "side"), [(3, 6), (3, 40), (1, 6)])
def test_equalised_convolution_with_downsampling(kernel_px: int, side: int) -> None:
    conv = layers.EqualConv2d(4, 3, kernel_px, down=True, gain=0.5).double()
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(2, 4, side, side).double()
    with torch.no_grad():
        convolved = conv(x).numpy()
    kernel = conv.weight.detach().numpy() / math.sqrt(4 * kernel_px**2)
    for n in range(2):
        for o in range(3):
            whole = sum(
                scipy.signal.convolve2d(scipy.signal.correlate2d(c, k), FIR)
                for c, k in zip(x[n].numpy(), kernel[o], strict=True)
            )  # seen by the result's first pixel: kernel + 3 pixels of the image, centred between its first two
            start = (kernel_px + 3) // 2
            plain = whole[start : start + side : 2, start : start + side : 2] + float(conv.bias.detach()[o])
            expected = np.where(plain > 0, plain, 0.2 * plain) * math.sqrt(2) * 0.5
            np.testing.assert_allclose(convolved[n, o], expected, atol=1e-10)


def test_equalised_linear_scales_weight_and_bias_by_its_learning_rate() -> None:
    layer = layers.EqualLinear(7, 5, bias=1.0, lr_multiplier=0.01, activate=True)
    x = torch.randn(4, 7)
    plain = x @ layer.weight.t() * (0.01 / math.sqrt(7)) + 1.0
    torch.testing.assert_close(layer(x), F.leaky_relu(plain, 0.2) * math.sqrt(2))
    assert float(layer.weight.detach().std()) == pytest.approx(100, rel=0.4)


def test_minibatch_deviation_is_the_mean_deviation_of_each_group() -> None:
    x = np.random.default_rng(0).standard_normal((8, 3, 4, 4))
    with_deviation = layers.MinibatchDeviation(group=4)(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(with_deviation[:, :3], x)
    for member in range(8):
        group = x[[i for i in range(8) if i % 2 == member % 2]]
        np.testing.assert_allclose(with_deviation[member, 3], group.std(axis=0).mean(), atol=1e-6)


def test_minibatch_deviation_has_a_feature_for_each_share_of_the_channels() -> None:
    x = np.random.default_rng(0).standard_normal((4, 6, 4, 4))
    with_deviations = layers.MinibatchDeviation(group=2, features=3)(torch.from_numpy(x)).numpy()
    assert with_deviations.shape == (4, 9, 4, 4)
    for member in range(4):
        group = x[[i for i in range(4) if i % 2 == member % 2]]
        for feature in range(3):
            expected = group[:, 2 * feature : 2 * feature + 2].std(axis=0).mean()
            np.testing.assert_allclose(with_deviations[member, 6 + feature], expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 4, 8])
def test_minibatch_deviation_keeps_sets_apart(size: int) -> None:
    sets = torch.from_numpy(np.random.default_rng(0).standard_normal((3, size, 4, 5, 5)))
    layer = layers.MinibatchDeviation(group=4, features=2)
    torch.testing.assert_close(layer(sets.flatten(0, 1), sets=3), torch.cat([layer(one) for one in sets]))


def test_minibatch_deviation_takes_any_batch() -> None:
    assert layers.MinibatchDeviation(group=4)(torch.randn(6, 2, 4, 4)).shape == (6, 3, 4, 4)
    assert layers.MinibatchDeviation(group=4)(torch.randn(1, 2, 4, 4)).shape == (1, 3, 4, 4)
