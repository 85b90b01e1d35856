"""The 3x3 convolution that networks are made of: the fastest way there is here, differentiable as often as one likes.

A convolution is linear in its input and in its kernel; each of its two derivatives is again a convolution or the sum
that a kernel's gradient is, so two functions are closed under differentiation, whatever carries them out.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2 import winograd


def convolve(x: Tensor, weight: Tensor, kernel: Tensor | None = None) -> Tensor:
    """Correlate with a 3x3 kernel, zeros around.

    Shapes:
        x: (N, I, H, W); weight: (O, I, 3, 3); returns (N, O, H, W)
        kernel: of `winograd.transformed_kernel`, where it is known from before
    """
    if torch.jit.is_tracing() or not winograd.pays(x, weight.shape[1], weight.shape[0]):
        return F.conv2d(x, weight, padding=1)
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        y: Tensor = _Convolution.apply(x, weight)  # type: ignore[no-untyped-call]
        return y
    return winograd.convolve(x, winograd.transformed_kernel(weight) if kernel is None else kernel)


def _turned(weight: Tensor) -> Tensor:
    """The kernel that carries gradients back: (O, I, 3, 3) -> (I, O, 3, 3)."""
    return weight.flip(2, 3).transpose(0, 1)


class _Convolution(torch.autograd.Function):
    """Activations and kernel to activations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return winograd.convolve(x, winograd.transformed_kernel(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        for_x = convolve(gradient, _turned(weight)) if ctx.needs_input_grad[0] else None
        for_weight = _KernelGradient.apply(x, gradient) if ctx.needs_input_grad[1] else None  # type: ignore[no-untyped-call]
        return for_x, for_weight


class _KernelGradient(torch.autograd.Function):
    """Activations and the gradient of what came out to the kernel's gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(x, gradient)
        return winograd.correlate(x, gradient)

    @staticmethod
    def backward(ctx: Any, *seconds: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, gradient = ctx.saved_tensors
        for_x = convolve(gradient, _turned(seconds[0])) if ctx.needs_input_grad[0] else None
        for_gradient = convolve(x, seconds[0]) if ctx.needs_input_grad[1] else None
        return for_x, for_gradient
