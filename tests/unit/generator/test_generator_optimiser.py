"""The optimiser beside torch's own Adam, whose first beta is 0."""

import pytest
import torch

from services.generator.stylegan2 import gate
from services.generator.training.optimiser import Adam

SHAPES = [(64, 32, 3, 3), (513, 33), (7,), ()]  # channels last, large and of no whole vectors, small, a number
BETA, RATE = 0.99**0.8, 0.0016


def parameters() -> list[torch.nn.Parameter]:
    rng = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=rng) for shape in SHAPES]
    drawn[0] = drawn[0].contiguous(memory_format=torch.channels_last)
    return [torch.nn.Parameter(tensor) for tensor in drawn]


@pytest.mark.parametrize("use", ["auto", "off"])
def test_moves_as_torchs_adam_does(use: gate.Use) -> None:
    gate.switch(use)
    try:
        ours, theirs = parameters(), parameters()
        assert gate.descent_pays(ours[0]) is False  # no gradient yet
        optimisers = Adam(ours, RATE, BETA), torch.optim.Adam(theirs, lr=RATE, betas=(0.0, BETA), eps=1e-8)
        rng = torch.Generator().manual_seed(1)
        for step in range(5):
            for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
                left_out = step == 2 and number == 1  # its own count of steps goes on later
                gradient = torch.randn(one.shape, generator=rng) * 10.0 ** (step - 3)
                one.grad, other.grad = (
                    (None, None) if left_out else (torch.empty_like(p).copy_(gradient) for p in (one, other))
                )
            assert gate.descent_pays(ours[0]) == (use == "auto")
            version = ours[0]._version
            for optimiser in optimisers:
                optimiser.step()
            assert ours[0]._version > version  # what was made of the weights before is out of date
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
            state, wanted = optimisers[0].state[one], optimisers[1].state[other]
            torch.testing.assert_close(state["exp_avg_sq"], wanted["exp_avg_sq"], rtol=1e-5, atol=1e-12)
            assert float(state["step"]) == float(wanted["step"])
            assert set(state) == {"step", "exp_avg_sq"}  # a third less to keep
    finally:
        gate.switch("auto")


def test_a_gradient_that_lies_otherwise_is_taken_all_the_same() -> None:
    ours, theirs = parameters()[0], parameters()[0]
    ours.grad = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))  # not channels last
    theirs.grad = ours.grad.clone()
    assert not gate.descent_pays(ours)
    Adam([ours], RATE, BETA).step()
    torch.optim.Adam([theirs], lr=RATE, betas=(0.0, BETA), eps=1e-8).step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
