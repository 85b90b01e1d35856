"""Losses against closed forms; first and second derivatives against finite differences."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from services.generator.stylegan2 import loss
from services.generator.stylegan2.augment import augment
from services.generator.stylegan2.networks import Architecture, build

TINY = Architecture(resolution_px=8, channels=3, channel_base=256, channel_max=8, z_dim=8, w_dim=8)
STEP = 1e-5


@pytest.fixture(autouse=True)
def doubles() -> object:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def test_losses_are_logistic() -> None:
    logits = torch.tensor([-3.0, 0.2, 5.0])
    sigmoid = [1 / (1 + math.exp(-x)) for x in logits.tolist()]
    assert float(loss.generator_loss(logits)) == pytest.approx(sum(-math.log(s) for s in sigmoid) / 3)
    both = sum(-math.log(s) - math.log(1 - s) for s in sigmoid) / 3
    assert float(loss.discriminator_loss(logits, logits)) == pytest.approx(both)


def test_r1_is_the_gradient_by_finite_differences() -> None:
    _, discriminator = build(TINY, 0)
    real = torch.randn(2, 3, 8, 8)
    inputs = real.clone().requires_grad_()
    penalty = loss.r1_penalty(inputs, discriminator(inputs), gamma=3.0)
    squares = 0.0
    with torch.no_grad():
        for index in range(real.numel()):
            step = torch.zeros(real.numel())
            step[index] = STEP
            up, down = (discriminator(real + sign * step.view_as(real)).sum() for sign in (1, -1))
            squares += float((up - down) / (2 * STEP)) ** 2
    assert float(penalty.detach()) == pytest.approx(3.0 / 2 * squares / 2, rel=1e-5)


def numeric(value: "object", parameter: Tensor, index: int) -> float:
    at = np.unravel_index(index, parameter.shape)
    before = parameter.data[at].item()
    results = []
    for sign in (1, -1):
        parameter.data[at] = before + sign * STEP
        results.append(float(value()))  # type: ignore[operator]
    parameter.data[at] = before
    return (results[0] - results[1]) / (2 * STEP)


@pytest.mark.parametrize("p", [0.0, 0.9])
def test_r1_of_augmented_images_can_be_learned_from(p: float) -> None:
    _, discriminator = build(TINY, 0)
    real = torch.randn(2, 3, 8, 8)

    def value() -> Tensor:
        inputs = real.clone().requires_grad_()
        rng = torch.Generator().manual_seed(5)
        return loss.r1_penalty(inputs, discriminator(augment(inputs, p, "bgcfnc", rng)), gamma=1.0)

    value().backward()
    for parameter in (
        discriminator.from_image.weight,
        discriminator.blocks["b8"].conv1.weight,
        discriminator.out.weight,
    ):
        for index in (0, parameter.numel() // 2):
            expected = numeric(lambda: value().detach(), parameter, index)
            assert float(parameter.grad.reshape(-1)[index]) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_path_lengths_are_the_jacobians() -> None:
    generator, _ = build(TINY, 0)
    ws = torch.randn(2, TINY.styles, 8).requires_grad_()
    direction = torch.randn(2, 3, 8, 8)
    lengths = loss.path_lengths(generator.synthesis(ws), ws, direction)
    for n in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda w: generator.synthesis(w[None])[0], ws[n].detach())
        product = torch.einsum("chw,chwsd->sd", direction[n], jacobian) / 8
        assert float(lengths[n].detach()) == pytest.approx(
            float(product.detach().square().sum(dim=1).mean().sqrt()), rel=1e-8
        )


def test_path_length_penalty_can_be_learned_from() -> None:
    generator, _ = build(TINY, 0)
    z, direction = torch.randn(2, 8), torch.randn(2, 3, 8, 8)

    def value() -> Tensor:
        ws = generator.mapping(z)[:, None].expand(-1, TINY.styles, -1)
        lengths = loss.path_lengths(generator.synthesis(ws), ws, direction)
        return (lengths - 0.4).square().mean() * 2

    value().backward()
    synthesis = generator.synthesis.blocks["b8"]
    for parameter in (synthesis.conv0.conv.weight, synthesis.to_image.weight, synthesis.conv1.affine.weight):
        expected = numeric(lambda: value().detach(), parameter, 3)
        assert float(parameter.grad.reshape(-1)[3]) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_the_running_mean_of_path_lengths_moves_by_a_hundredth() -> None:
    lengths = torch.tensor([1.0, 3.0])
    value, mean = loss.path_length_penalty(lengths, torch.tensor(1.0), weight=2.0)
    assert float(mean) == pytest.approx(1.01)
    assert float(value) == pytest.approx(2 * ((1 - 1.01) ** 2 + (3 - 1.01) ** 2) / 2)
