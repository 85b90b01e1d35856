"""FIR filters against SciPy."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal
import torch

from services.generator.stylegan2 import filters

TAPS = np.array(filters.BINOMIAL)
UNEVEN = np.array([0.05, 0.1, 0.35, 0.2, 0.25, 0.05])  # not symmetric: shows a filter that is turned around


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 3, 7, 9))


@pytest.mark.parametrize("taps", [TAPS, UNEVEN])
def test_blur_correlates_every_channel(image: np.ndarray, taps: np.ndarray) -> None:
    kernel = np.outer(taps, taps)
    padded = np.pad(image, ((0, 0), (0, 0), (2, 2), (2, 2)))
    expected = np.stack([[scipy.signal.correlate2d(c, kernel, mode="valid") for c in x] for x in padded])
    blurred = filters.blur(torch.from_numpy(image), torch.from_numpy(kernel), padding=2)
    np.testing.assert_allclose(blurred.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("taps", [TAPS, UNEVEN])
def test_downsample_keeps_every_second_filtered_pixel(taps: np.ndarray) -> None:
    image = np.random.default_rng(1).standard_normal((1, 2, 8, 12))
    padding = len(taps) // 2 - 1
    padded = np.pad(image, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    kernel = np.outer(taps, taps)
    expected = np.stack([[scipy.signal.correlate2d(c, kernel, mode="valid")[::2, ::2] for c in x] for x in padded])
    downsampled = filters.downsample(torch.from_numpy(image), torch.from_numpy(kernel), padding=padding)
    assert downsampled.shape == (1, 2, 4, 6)
    np.testing.assert_allclose(downsampled.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("taps", [TAPS, UNEVEN, np.arange(1.0, 13.0) / 78])
def test_upsample_is_zero_filling_and_filtering(image: np.ndarray, taps: np.ndarray) -> None:
    phases = filters.upsampling_phases(torch.from_numpy(taps))
    upsampled = filters.upsample(torch.from_numpy(image), phases).numpy()
    # upfirdn convolves, so the taps are reversed; its output starts before the first pixel by half the filter.
    expected = image
    for axis in (2, 3):
        whole = scipy.signal.upfirdn(2 * taps[::-1], expected, up=2, axis=axis)
        expected = np.take(whole, np.arange(2 * image.shape[axis]) + len(taps) // 2 - 1, axis=axis)
    np.testing.assert_allclose(upsampled, expected, atol=1e-12)


def test_upsampling_keeps_a_constant_image_constant_inside() -> None:
    phases = filters.upsampling_phases(torch.tensor(filters.BINOMIAL))
    upsampled = filters.upsample(torch.full((1, 1, 6, 6), 0.7), phases)
    torch.testing.assert_close(upsampled[:, :, 1:-1, 1:-1], torch.full((1, 1, 10, 10), 0.7))


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (1, 2, 7, 9)])
@pytest.mark.parametrize(("function", "padding"), [(filters.blur, 2), (filters.blur, 1), (filters.downsample, 1)])
def test_derivatives_of_both_orders_agree_with_finite_differences(
    function: Callable[..., torch.Tensor], padding: int, shape: tuple[int, ...]
) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(4, 4, generator=rng, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: function(x, kernel, padding), x, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: function(x, kernel, padding), x, fast_mode=True)


@pytest.mark.parametrize(("function", "padding"), [(filters.blur, 2), (filters.downsample, 1)])
def test_gradients_lie_in_memory_as_activations_do(function: Callable[..., torch.Tensor], padding: int) -> None:
    x = torch.randn(2, 8, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    (gradient,) = torch.autograd.grad(function(x, torch.rand(4, 4), padding).square().sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)
