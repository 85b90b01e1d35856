"""The compiled loops in float32 beside direct sums in float64, at the shapes that networks have."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2 import convolution, depthwise, filters, gate, vectors
from services.generator.stylegan2.networks import Architecture

ROOT = Path(__file__).parents[3]

# The largest error in a deviation of what comes out: a twentieth of a grey level of pictures from -1 to 1.
FAR_BELOW_A_GREY_LEVEL = 2 / 255 / 20
ROUNDING = 2e-5  # the root mean square of all errors: float32 keeps some 6e-8 of a number, and Winograd's sums cancel


def shapes_in_use() -> list[tuple[int, int, int, int]]:
    """(batch, inputs, outputs, side in px) of a generator's and a discriminator's 3x3 convolutions at 64 and 128 px."""
    shapes = set()
    for batch, architecture in ((16, Architecture(resolution_px=64)), (8, Architecture(resolution_px=128))):
        for side in architecture.resolutions:
            width, below = architecture.width(side), architecture.width(max(4, side // 2))
            shapes |= {(batch, width, width, side), (batch, width, below, side)}
    return sorted(shapes)


def pair(n: int, inputs: int, outputs: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Activations and a kernel, of float32's numbers."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(n, inputs, height, width, generator=rng)
    return x.contiguous(memory_format=torch.channels_last), torch.randn(outputs, inputs, 3, 3, generator=rng)


def check(computed: Tensor, exact: Tensor) -> None:
    error, deviation = computed.double() - exact, float(exact.std())
    assert float(error.abs().max()) < FAR_BELOW_A_GREY_LEVEL * deviation
    assert float(error.square().mean().sqrt()) < ROUNDING * deviation


@pytest.mark.parametrize(("n", "inputs", "outputs", "side_px"), shapes_in_use())
def test_a_convolution_and_its_gradients(n: int, inputs: int, outputs: int, side_px: int) -> None:
    x, weight = pair(n, inputs, outputs, side_px, side_px)
    assert gate.winograd_pays(x, weight) or gate.few_tiles(x, weight)
    gradient = torch.randn(n, outputs, side_px, side_px, generator=torch.Generator().manual_seed(1))
    ours, direct = [], []
    for results, kind, function in (
        (ours, torch.float32, convolution.convolve),
        (direct, torch.float64, lambda x, weight: F.conv2d(x, weight, padding=1)),
    ):
        a, b = x.to(kind).requires_grad_(), weight.to(kind).requires_grad_()
        y = function(a, b)
        results += [y.detach(), *torch.autograd.grad(y, (a, b), gradient.to(kind))]
    for computed, exact in zip(ours, direct, strict=True):
        check(computed, exact)


@pytest.mark.parametrize(
    ("n", "inputs", "outputs", "side_px"), [shape for shape in shapes_in_use() if min(shape[1:3]) >= 64]
)
def test_the_gradient_of_a_kernel_that_halves_the_resolution(n: int, inputs: int, outputs: int, side_px: int) -> None:
    x, weight = pair(n, inputs, outputs, side_px + 1, side_px + 1)
    y = torch.randn(n, outputs, side_px // 2, side_px // 2, generator=torch.Generator().manual_seed(1))
    assert gate.strided_pays(x, y)
    computed, exact = (
        torch.autograd.grad(function(x.to(kind), w), w, y.to(kind))[0]
        for function, kind, w in (
            (convolution.halve, torch.float32, weight.clone().requires_grad_()),
            (lambda x, w: F.conv2d(x, w, stride=2), torch.float64, weight.double().requires_grad_()),
        )
    )
    check(computed, exact)


@pytest.mark.parametrize(("n", "side_px"), [(16, 4), (32, 4), (16, 8)])
def test_a_few_channels_beside_whole_panels(n: int, side_px: int) -> None:
    x, weight = pair(n, 65, 64, side_px, side_px)
    assert gate.whole_panels(x, weight) == 64
    gradient = torch.randn(n, 64, side_px, side_px, generator=torch.Generator().manual_seed(1))
    a, b = x.requires_grad_(), weight.requires_grad_()
    y = convolution.convolve(a, b)
    c, d = x.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    exact = F.conv2d(c, d, padding=1)
    check(y.detach(), exact.detach())
    for computed, right in zip(
        torch.autograd.grad(y, (a, b), gradient), torch.autograd.grad(exact, (c, d), gradient.double()), strict=True
    ):
        check(computed, right)


@pytest.mark.parametrize(("function", "padding"), [(filters.blur, 1), (filters.blur, 2), (filters.downsample, 1)])
def test_filters_of_every_channel_and_their_transposes(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Tensor], padding: int
) -> None:
    rng = torch.Generator().manual_seed(0)
    x, kernel = torch.randn(3, 96, 14, 10, generator=rng), torch.rand(4, 4, generator=rng)
    runs = []
    monkeypatch.setattr(depthwise, "run", lambda *args, run=depthwise.run, **kw: (runs.append(1), run(*args, **kw)))
    single, exact = x.requires_grad_(), x.detach().double().requires_grad_()
    y, right = function(single, kernel, padding), function(exact, kernel.double(), padding)
    check(y.detach(), right.detach())
    check(*(torch.autograd.grad(z.square().sum(), t)[0] for z, t in ((y, single), (right, exact))))
    assert len(runs) == (2 if function is filters.blur else 5)  # there, and back from each residue of a pixel's place


SHARED = """
import torch
from services.generator.stylegan2 import winograd
rng = torch.Generator().manual_seed(0)
x, gradient = torch.randn(16, 64, 64, 64, generator=rng), torch.randn(16, 128, 64, 64, generator=rng)
exact = torch.nn.grad.conv2d_weight(x.double(), (128, 64, 3, 3), gradient.double(), padding=1)
for _ in range(3):
    assert (winograd.correlate(x, gradient) - exact).abs().max() < 1e-4 * exact.std()
"""
LANES = """
import torch
from services.generator.stylegan2 import direct, gate, kernels, vectors, winograd
assert gate.available()
assert vectors.LANES == {lanes}, vectors.LANES
rng = torch.Generator().manual_seed(0)
for n, inputs, outputs, side in ((3, 96, 64, 8), (5, 32, 96, 12)):
    x, gradient = torch.randn(n, inputs, side, side, generator=rng), torch.randn(n, outputs, side, side, generator=rng)
    weight = torch.randn(outputs, inputs, 3, 3, generator=rng)
    exact = torch.nn.functional.conv2d(x.double(), weight.double(), padding=1)
    assert (winograd.convolve(x, kernels.transformed(weight)) - exact).abs().max() < 1e-4 * exact.std()
    exact = torch.nn.grad.conv2d_weight(x.double(), weight.shape, gradient.double(), padding=1)
    assert (winograd.correlate(x, gradient) - exact).abs().max() < 1e-4 * exact.std()
    low = torch.randn(n, outputs, side // 2 - 1, side // 2 - 1, generator=rng)
    high = x[:, :, 1:, 1:]
    exact = torch.nn.grad.conv2d_weight(high.double(), weight.shape, low.double(), stride=2)
    assert (direct.halve_gradient(high, low) - exact).abs().max() < 1e-4 * exact.std()
"""


def test_threads_that_share_a_heap_do_not_share_what_they_sum_in() -> None:
    """As in a process with many of them: what one lets go of too early, the other is given."""
    environ = os.environ | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", SHARED], env=environ, cwd=ROOT, check=True)


@pytest.mark.slow
def test_vectors_of_eight_numbers_give_the_same_on_a_processor_that_has_longer_ones() -> None:
    haswell = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"}
    subprocess.run([sys.executable, "-c", LANES.format(lanes=8)], env=os.environ | haswell, cwd=ROOT, check=True)


@pytest.mark.slow
def test_loops_are_compiled_where_no_folder_can_be_written_to() -> None:
    script = LANES.format(lanes=vectors.LANES)
    subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"XDG_CACHE_HOME": "/proc/none"}, check=True, cwd=ROOT
    )
