"""The 3x3 convolution: the same numbers as torch's own, whatever algorithm carries it out, and right derivatives."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2 import convolution, direct, gate, kernels, winograd

# An odd count of tiles, a single image, many strips, a row's tiles in several strips, rows that vectors do not divide.
SHAPES = [(3, 64, 32, 12, 8), (1, 32, 32, 8, 20), (2, 32, 96, 32, 32), (7, 64, 64, 8, 8), (5, 32, 32, 4, 4)]


@pytest.fixture(autouse=True, params=[(32, 2**17), (3, 1)], ids=["whole", "strips"])
def _small_parts(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(winograd, "STRIP", request.param[0])
    monkeypatch.setattr(winograd, "BLOCK", request.param[1])


def sample(n: int, inputs: int, outputs: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    x, weight, gradient = (
        torch.randn(shape, generator=rng, dtype=torch.float64)
        for shape in ((n, inputs, height, width), (outputs, inputs, 3, 3), (n, outputs, height, width))
    )
    last = torch.channels_last
    return x.contiguous(memory_format=last), weight, gradient.contiguous(memory_format=last)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_direct_convolution(shape: tuple[int, ...]) -> None:
    x, weight, _ = sample(*shape)
    y = winograd.convolve(x, kernels.transformed(weight))
    torch.testing.assert_close(y, F.conv2d(x, weight, padding=1))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_kernels_that_lie_the_other_way_round_are_transformed_alike() -> None:
    weight = torch.randn(32, 64, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned = weight.flip(2, 3).transpose(0, 1)
    for one, other in zip(kernels.transformed(turned), kernels.transformed(turned.contiguous()), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_gradient_equals_autograds(shape: tuple[int, ...]) -> None:
    x, weight, gradient = sample(*shape)
    weight.requires_grad_()
    (expected,) = torch.autograd.grad(F.conv2d(x, weight, padding=1), weight, gradient)
    torch.testing.assert_close(winograd.correlate(x, gradient), expected)


def test_derivatives_of_both_orders_agree_with_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "winograd_pays", lambda *_: True)
    x, weight, _ = sample(1, 32, 32, 4, 8)
    x.requires_grad_()
    weight.requires_grad_()
    assert torch.autograd.gradcheck(convolution.convolve, (x, weight), fast_mode=True)
    assert torch.autograd.gradgradcheck(convolution.convolve, (x, weight), fast_mode=True)


@pytest.mark.parametrize("size", [(1, 32, 64, 1, 3), (3, 64, 32, 8, 4), (2, 96, 32, 7, 12)])
def test_the_kernel_gradient_between_resolutions_equals_autograds(size: tuple[int, ...]) -> None:
    n, inputs, outputs, height, width = size
    rng = torch.Generator().manual_seed(1)
    x, y, weight = (
        torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True)
        for shape in ((n, inputs, 2 * height + 1, 2 * width + 1), (n, outputs, height, width), (outputs, inputs, 3, 3))
    )
    halved = F.conv2d(x, weight, stride=2)
    torch.testing.assert_close(direct.halve(x.detach(), weight.detach()), halved.detach())
    torch.testing.assert_close(direct.double(y.detach(), weight.detach()), F.conv_transpose2d(y, weight, stride=2))
    torch.testing.assert_close(direct.near(x.detach(), weight.detach()), F.conv2d(x, weight, padding=1).detach())
    (expected,) = torch.autograd.grad(halved, weight, y)
    for turned in (False, True):
        torch.testing.assert_close(direct.halve_gradient(x.detach(), y.detach(), turned=turned), expected)


@pytest.mark.parametrize(("ours", "channels"), [(True, 32), (False, 3)])
def test_halving_and_doubling_have_derivatives_of_both_orders(
    monkeypatch: pytest.MonkeyPatch, ours: bool, channels: int
) -> None:
    monkeypatch.setattr(gate, "strided_pays", lambda *_: ours)
    monkeypatch.setattr(gate, "direct_pays", lambda *_: ours)
    rng = torch.Generator().manual_seed(1)
    x, y, weight = (
        torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True)
        for shape in ((1, channels, 5, 3), (1, channels, 2, 1), (channels, channels, 3, 3))
    )
    torch.testing.assert_close(convolution.halve(x, weight), F.conv2d(x, weight, stride=2))
    torch.testing.assert_close(convolution.double(y, weight), F.conv_transpose2d(y, weight, stride=2))
    for function, given in ((convolution.halve, x), (convolution.double, y)):
        assert torch.autograd.gradcheck(function, (given, weight), fast_mode=True)
        assert torch.autograd.gradgradcheck(function, (given, weight), fast_mode=True)


@pytest.mark.parametrize(
    ("function", "turned"),
    [
        (convolution.convolve, False),
        (convolution.halve, False),
        (convolution.double, False),
        (convolution.double, True),
    ],
)
def test_a_gradient_lies_in_memory_as_its_kernel_does(function: Callable[..., Tensor], turned: bool) -> None:
    """Else each step would copy it to where it is added up."""
    weight = torch.randn(64, 64, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    x = torch.randn(2, 64, 8, 8) if function is not convolution.halve else torch.randn(2, 64, 9, 9)
    y = function(x.contiguous(memory_format=torch.channels_last), weight.transpose(0, 1) if turned else weight)
    (gradient,) = torch.autograd.grad(y.sum(), weight)
    assert gradient.stride() == weight.stride()


def test_the_number_of_threads_changes_no_bit() -> None:
    x, weight, gradient = (t.float() for t in sample(5, 64, 32, 12, 20))
    threads, by_threads = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        high, low = x[:, :, :11, :19], gradient[:, :, :5, :9]
        by_threads.append(
            (
                winograd.convolve(x, kernels.transformed(weight)), winograd.correlate(x, gradient),
                direct.near(x, weight), direct.halve(high, weight), direct.double(low, weight),
                direct.halve_gradient(high, low),
            )
        )  # fmt: skip
    torch.set_num_threads(threads)
    for one, three in zip(*by_threads, strict=True):
        assert torch.equal(one, three)
