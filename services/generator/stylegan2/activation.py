"""What stands around a convolution: styles before it; scale, bias, noise and leaky ReLU behind it.

Each is a pass through memory by itself. On a CPU compiled loops do it in one, there and back (`passes.py`, behind the
gate); where a derivative is to be derived again, and everywhere else, torch's own operations do it.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2 import gate

SLOPE = 0.2  # of the leaky ReLU for negative input


def activated(y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None = None) -> Tensor:
    """Leaky ReLU of y * scale + bias + noise. y is overwritten where nobody needs it, so it is to be nobody else's.

    Shapes:
        y: (N, C, H, W); scale: (N or 1, C); bias: (C,); noise: (N or 1, 1, H, W) or None; returns (N, C, H, W)
    """
    if not gate.passes_pay(y):
        return _by_torch(y, scale, bias, noise)
    scale, bias = scale.contiguous(), bias.contiguous()
    noise = None if noise is None else noise.contiguous()
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (y, scale, bias, noise)):
        result: Tensor = _Activated.apply(y, scale, bias, noise)  # type: ignore[no-untyped-call]
        return result
    from services.generator.stylegan2 import passes

    passes.activate(y, scale, bias, noise, into=y)
    return y


def modulated(x: Tensor, factor: Tensor) -> Tensor:
    """x * factor, (N, C, H, W) and (N, C); without gradients x is overwritten."""
    if not torch.is_grad_enabled():
        return x.mul_(factor[:, :, None, None])
    if not gate.passes_pay(x) or not (x.requires_grad and factor.requires_grad):
        return x * factor[:, :, None, None]
    result: Tensor = _Modulated.apply(x, factor.contiguous())  # type: ignore[no-untyped-call]
    return result


def _by_torch(y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None) -> Tensor:
    factor, shift = scale[:, :, None, None].to(y.dtype), bias[None, :, None, None].to(y.dtype)
    y = torch.addcmul(shift, y, factor, out=None if torch.is_grad_enabled() else y)
    if noise is not None:
        y = y.add_(noise.to(y.dtype))
    return F.leaky_relu_(y, SLOPE)


class _Activated(torch.autograd.Function):
    """See `activated`. y is kept only for the gradients of a scale and of noise that learn."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None) -> Tensor:
        from services.generator.stylegan2 import passes

        if ctx.needs_input_grad[1] or ctx.needs_input_grad[3]:
            result = torch.empty_like(y)
            ctx.save_for_backward(result, scale, y)
        else:
            result = y
            ctx.mark_dirty(y)
            ctx.save_for_backward(result, scale)
        ctx.noise_shape = None if noise is None else noise.shape
        passes.activate(y, scale, bias, noise, into=result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        result, scale, *kept = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        for_scale = for_noise = None
        if torch.is_grad_enabled():  # to be derived again; the slope there is a constant
            before = torch.ops.aten.leaky_relu_backward(gradient, result.detach(), SLOPE, True)
            for_y, for_bias = before * scale[:, :, None, None], before.sum(dim=(0, 2, 3))
            if kept:
                for_scale, for_noise = (before * kept[0]).sum(dim=(2, 3)), before.sum(dim=1, keepdim=True)
        else:
            from services.generator.stylegan2 import passes

            if kept:
                for_y, for_bias, for_scale, for_noise = passes.activate_gradients(gradient, result, scale, kept[0])
            else:
                for_y, for_bias = passes.activate_gradient(gradient, result, scale)
        if for_scale is None or for_noise is None:
            return for_y, None, for_bias, None
        for_noise = None if ctx.noise_shape is None else for_noise.sum_to_size(ctx.noise_shape)
        return for_y, for_scale.sum_to_size(scale.shape), for_bias, for_noise


class _Modulated(torch.autograd.Function):
    """See `modulated`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(x, factor)
        return x * factor[:, :, None, None]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        x, factor = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        if torch.is_grad_enabled():
            return gradient * factor[:, :, None, None], (gradient * x).sum(dim=(2, 3))
        from services.generator.stylegan2 import passes

        return passes.modulate_gradient(gradient, x, factor)
