"""What stands around a convolution, in compiled loops: the same numbers and derivatives as torch's own operations."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2 import activation, gate, passes

# One piece, many of them, a last one that is not whole; noise for each image, for all, and none.
CASES = [(2, 32, 4, 4, 2), (3, 64, 12, 20, 1), (1, 96, 16, 18, 0)]


def sample(n: int, channels: int, height: int, width: int, maps: int) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    rng = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng, dtype=torch.float64)

    y = drawn(n, channels, height, width).contiguous(memory_format=torch.channels_last)
    noise = drawn(maps if maps < 2 else n, 1, height, width) if maps else None
    return y, drawn(n, channels), drawn(channels), noise


def expected(y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None) -> Tensor:
    before = y * scale[:, :, None, None] + bias[:, None, None] + (0 if noise is None else noise)
    return F.leaky_relu(before, 0.2)


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """float64 goes through the loops as well; which of them ran."""
    runs: list[str] = []
    monkeypatch.setattr(gate, "passes_pay", lambda _: True)
    monkeypatch.setattr(
        passes, "run", lambda loop, *args, run=passes.run, **kw: (runs.append(loop.__name__), run(loop, *args, **kw))
    )
    return runs


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scale_learns", [True, False])
def test_one_pass_gives_what_several_do_and_hands_back_the_same(
    loops: list[str], case: tuple[int, ...], scale_learns: bool
) -> None:
    given = sample(*case)
    results = []
    for function in (activation.activated, expected):
        y, scale, bias, noise = (None if t is None else t.clone() for t in given)
        learned = [y, bias]
        if scale_learns:
            learned += [t for t in (scale, noise) if t is not None]
        else:
            scale = scale[:1]
        for tensor in learned:
            tensor.requires_grad_()
        result = function(y * 1, scale, bias, noise)
        weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view_as(result)
        results.append([result.detach(), *torch.autograd.grad((result * weights).sum(), learned)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    assert loops == ["_activate", "_activate_gradients" if scale_learns else "_activate_gradient"]


@pytest.mark.parametrize("case", CASES)
def test_without_gradients_the_input_is_overwritten(loops: list[str], case: tuple[int, ...]) -> None:
    y, scale, bias, noise = sample(*case)
    right = expected(y, scale, bias, noise)
    with torch.no_grad():
        assert activation.activated(y, scale, bias, noise) is y
    torch.testing.assert_close(y, right)


def test_styles_hand_back_what_a_product_does(loops: list[str]) -> None:
    x, factor, _, _ = sample(3, 64, 12, 20, 0)
    results = []
    for function in (activation.modulated, lambda x, factor: x * factor[:, :, None, None]):
        a, b = x.clone().requires_grad_(), factor.clone().requires_grad_()
        y = function(a, b)
        results.append([y.detach(), *torch.autograd.grad(y.sin().sum(), (a, b))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    assert loops == ["_modulate_gradient"]


@pytest.mark.parametrize("maps", [0, 1, 2])
def test_derivatives_of_both_orders_agree_with_finite_differences(loops: list[str], maps: int) -> None:
    y, scale, bias, noise = sample(2, 32, 3, 2, maps)
    given = [t.requires_grad_() for t in (y, scale, bias, noise) if t is not None]

    def layer(y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None = None) -> Tensor:
        return activation.activated(activation.modulated(y, scale), scale, bias, noise)

    assert torch.autograd.gradcheck(layer, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(layer, given, fast_mode=True)


def test_where_only_the_bias_learns_derivatives_of_both_orders_are_right(loops: list[str]) -> None:
    """As in a discriminator, where the input is overwritten."""
    y, scale, bias, _ = sample(2, 32, 3, 2, 0)
    given = [y.requires_grad_(), bias.requires_grad_()]
    assert torch.autograd.gradcheck(lambda y, b: activation.activated(y * 1, scale[:1], b), given, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda y, b: activation.activated(y * 1, scale[:1], b), given, fast_mode=True)


def test_the_number_of_threads_changes_no_bit() -> None:
    y, scale, bias, noise = (t.float() for t in sample(3, 64, 12, 20, 1) if t is not None)
    threads, by_threads = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        result = torch.empty_like(y)
        passes.activate(y, scale, bias, noise, into=result)
        by_threads.append(
            [result, *passes.activate_gradients(y, result, scale, y), *passes.modulate_gradient(y, result, scale)]
        )
    torch.set_num_threads(threads)
    for one, three in zip(*by_threads, strict=True):
        assert torch.equal(one, three)
