"""Adam without a memory of gradients, as StyleGAN trains: its first beta is 0.

Reference: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization" (arXiv:1412.6980), algorithm 1. With a first
beta of 0 the mean of gradients is the gradient itself, which nobody has to keep: a third less memory than torch's own,
and on a CPU one pass that reads and writes five numbers a weight in place of seven.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from services.generator.stylegan2 import gate

EPS = 1e-8


class Adam(torch.optim.Optimizer):
    """Adam with betas 0 and beta.

    Args:
        learning_rate, beta: see the reference, where beta is its second.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, beta: float) -> None:
        super().__init__(parameters, {"lr": learning_rate, "beta": beta})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            learning = [parameter for parameter in group["params"] if parameter.grad is not None]
            large = [parameter for parameter in learning if gate.descent_pays(parameter)]
            for parameter in large:
                self._move(parameter, group["lr"], group["beta"])
            large_ones = set(map(id, large))
            self._move_together([p for p in learning if id(p) not in large_ones], group["lr"], group["beta"])

    def _move(self, parameter: Tensor, learning_rate: float, beta: float) -> None:
        """In one pass."""
        from services.generator.stylegan2 import passes

        squares, unbiased = self._counted(parameter, beta)
        passes.descend(parameter, squares, beta, learning_rate, unbiased, EPS)
        torch.autograd.graph.increment_version(
            parameter
        )  # torch did not see it, nor would who keeps what is made of it

    def _move_together(self, parameters: list[Tensor], learning_rate: float, beta: float) -> None:
        """By torch, all of them in each of its operations."""
        if not parameters:
            return
        squares, unbiased = zip(*(self._counted(parameter, beta) for parameter in parameters), strict=True)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_mul_(squares, beta)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - beta)
        deviations = torch._foreach_sqrt(squares)
        torch._foreach_div_(deviations, unbiased)
        torch._foreach_add_(deviations, EPS)
        torch._foreach_addcdiv_(parameters, gradients, deviations, value=-learning_rate)

    def _counted(self, parameter: Tensor, beta: float) -> tuple[Tensor, float]:
        """The mean square of a parameter's gradients, before this step, and what the root of it is to be divided by."""
        state = self.state[parameter]
        if not state:
            state["step"], state["exp_avg_sq"] = torch.zeros(()), torch.zeros_like(parameter)
        state["step"] += 1  # stays on the CPU, where nobody waits for it
        return state["exp_avg_sq"], math.sqrt(1 - beta ** float(state["step"]))
