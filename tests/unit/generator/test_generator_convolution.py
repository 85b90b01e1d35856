"""The 3x3 convolution: the same numbers as torch's own, whatever algorithm carries it out, and right derivatives."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2 import convolution, winograd

# An odd count of tiles, a single image, several chunks and blocks (bands, images), tiles that sixteen does not divide.
SHAPES = [(3, 5, 7, 12, 8), (1, 4, 4, 8, 20), (2, 40, 24, 32, 32), (7, 40, 8, 8, 8), (5, 3, 2, 4, 4)]


@pytest.fixture(autouse=True, params=[False, True], ids=["convolutions", "matrices"])
def _small_parts(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(winograd, "CHUNK", 6000)
    monkeypatch.setattr(winograd, "BLOCK", 15_000)
    monkeypatch.setattr(winograd, "FEW_TILES", 0)
    monkeypatch.setattr(winograd, "_has_fast_matrices", lambda: request.param)


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
    y = winograd.convolve(x, winograd.transformed_kernel(weight))
    torch.testing.assert_close(y, F.conv2d(x, weight, padding=1))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_kernels_that_lie_the_other_way_round_are_transformed_alike() -> None:
    weight = torch.randn(6, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned = weight.flip(2, 3).transpose(0, 1)
    torch.testing.assert_close(winograd.transformed_kernel(turned), winograd.transformed_kernel(turned.clone()))


@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_gradient_equals_autograds(shape: tuple[int, ...]) -> None:
    x, weight, gradient = sample(*shape)
    weight.requires_grad_()
    (expected,) = torch.autograd.grad(F.conv2d(x, weight, padding=1), weight, gradient)
    torch.testing.assert_close(winograd.correlate(x, gradient), expected)


def test_in_single_precision_the_error_stays_far_below_a_grey_level() -> None:
    x, weight, _ = sample(4, 256, 128, 16, 16)
    exact = F.conv2d(x, weight, padding=1)
    y = winograd.convolve(x.float(), winograd.transformed_kernel(weight.float()))
    assert (y - exact).abs().max() < 1e-4 * exact.std()


def test_derivatives_of_both_orders_agree_with_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "pays", lambda *_: True)
    x, weight, _ = sample(2, 2, 3, 4, 8)
    x.requires_grad_()
    weight.requires_grad_()
    assert torch.autograd.gradcheck(convolution.convolve, (x, weight), fast_mode=True)
    assert torch.autograd.gradgradcheck(convolution.convolve, (x, weight), fast_mode=True)


@pytest.mark.parametrize("least", [1, 1000])
def test_halving_and_doubling_have_the_derivatives_of_torchs_own(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    monkeypatch.setattr(convolution, "LEAST_WIDTH", least)
    rng = torch.Generator().manual_seed(1)
    x, y, weight = (
        torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 3, 9, 5), (2, 4, 4, 2), (4, 3, 3, 3))
    )
    torch.testing.assert_close(convolution.halve(x, weight), F.conv2d(x, weight, stride=2))
    torch.testing.assert_close(convolution.double(y, weight), F.conv_transpose2d(y, weight, stride=2))
    for function, given in ((convolution.halve, x), (convolution.double, y)):
        assert torch.autograd.gradcheck(function, (given, weight), fast_mode=True)
        assert torch.autograd.gradgradcheck(function, (given, weight), fast_mode=True)


def test_is_chosen_where_it_pays_and_nowhere_else() -> None:
    wide, kernel = torch.empty(16, 256, 32, 32), torch.empty(256, 256, 3, 3)
    assert winograd.pays(wide, kernel)
    assert not winograd.pays(wide, kernel[:64])
    assert not winograd.pays(wide[:, :, :, :30], kernel)
    assert not winograd.pays(wide.double(), kernel.double())
    assert not winograd.pays(wide[:4, :, :8, :8], kernel)  # 16 tiles are worth no transform of the kernels
    assert winograd.pays(wide[:4, :, :8, :8], kernel, known=True)
    assert not winograd.pays(wide[:1, :, :4, :4], kernel, known=True)


@pytest.mark.parametrize(
    ("name", "avx_vnni", "fast"),
    [("AMD EPYC 9B14", False, True), ("AMD EPYC 9B45", True, False), ("Intel(R) Xeon(R) Processor", True, True)],
)
def test_matrices_are_fast_save_where_mkl_uses_half_of_the_vectors(
    monkeypatch: pytest.MonkeyPatch, name: str, avx_vnni: bool, fast: bool
) -> None:
    monkeypatch.undo()  # of the fixture
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": name, "avx_vnni": avx_vnni})
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert winograd._has_fast_matrices.__wrapped__() is fast
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert not winograd._has_fast_matrices.__wrapped__()
