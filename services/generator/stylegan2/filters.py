"""Separable FIR filters: up-sampling, down-sampling and blurring without aliasing.

Reference: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958), section 2.3
and appendix B; the filter [1, 3, 3, 1] is from Zhang 2019, "Making Convolutional Networks Shift-Invariant Again".

All filters here are depthwise convolutions with fixed taps: linear maps, differentiable as often as one likes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

from services.generator.stylegan2 import gate

BINOMIAL = (0.125, 0.375, 0.375, 0.125)  # [1, 3, 3, 1] / 8


def outer(taps: Tensor) -> Tensor:
    """(T,) -> (T, T): the two-dimensional kernel of a separable filter."""
    return torch.outer(taps, taps)


def blur(x: Tensor, kernel: Tensor, padding: int) -> Tensor:
    """Correlate every channel with one kernel.

    Shapes:
        x: (N, C, H, W); kernel: (T, T); returns (N, C, H + 2 padding - T + 1, W + 2 padding - T + 1)
    """
    return _filtered(x, _depthwise(kernel, x.shape[1]), 1, padding)


def downsample(x: Tensor, kernel: Tensor, padding: int) -> Tensor:
    """Correlate every channel with one kernel and keep every second pixel of every second row.

    Shapes:
        x: (N, C, H, W); kernel: (T, T); returns (N, C, H / 2, W / 2) for padding = T / 2 - 1
    """
    return _filtered(x, _depthwise(kernel, x.shape[1]), 2, padding)


def upsample(x: Tensor, phases: Tensor) -> Tensor:
    """Double the resolution: zeros between the pixels, then a FIR filter, computed without touching the zeros.

    Each of the four output phases sees only every second tap, so all are convolutions at the low resolution.

    Shapes:
        x: (N, C, H, W); phases: (4, 1, K, K) from `upsampling_phases`; returns (N, C, 2H, 2W)
    """
    channels = x.shape[1]
    weight = phases.repeat(channels, 1, 1, 1)  # (4C, 1, K, K), the phases of a channel side by side
    y = _filtered(x, weight, 1, phases.shape[-1] // 2)  # (N, 4C, H, W)
    return F.pixel_shuffle(y, 2)


def upsampling_phases(taps: Tensor) -> Tensor:
    """(T,) taps of sum 1 -> (4, 1, K, K): kernels of the four phases of up-sampling by two, with gain 4.

    T is even and K odd, the smallest that holds both phases around the centre. Output pixel 2i + a of a row is
    sum_j x[i + j] * 2 taps[2j - a + T/2], the correlation of the zero-filled row whose centre stays in place.
    """
    length = len(taps)
    reach = (length + 3) // 4
    phases = torch.zeros(2, 2 * reach + 1, dtype=taps.dtype)
    for phase in range(2):
        for offset in range(-reach, reach + 1):
            tap = 2 * offset - phase + length // 2
            if 0 <= tap < length:
                phases[phase, offset + reach] = 2 * taps[tap]
    return torch.einsum("ak,bl->abkl", phases, phases).reshape(4, 1, 2 * reach + 1, 2 * reach + 1)


def _depthwise(kernel: Tensor, channels: int) -> Tensor:
    return kernel.expand(channels, 1, *kernel.shape)


def _filtered(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Depthwise convolution (N, C, H, W) with fixed taps (kC, 1, T, T)."""
    weight = weight.to(x.dtype)
    if not (torch.is_grad_enabled() and x.requires_grad):
        return _carried_out(x, weight, stride, padding)
    y: Tensor = _Filter.apply(x, weight, stride, padding)  # type: ignore[no-untyped-call]
    return y


def _carried_out(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    if not gate.depthwise_pays(x, weight):
        return F.conv2d(x, weight, stride=stride, padding=padding, groups=x.shape[1])
    from services.generator.stylegan2 import depthwise

    return depthwise.filtered(x, weight[0, 0], stride, padding)


class _Filter(torch.autograd.Function):
    """A filter is linear: its gradient is its transpose, and the gradient of that is the filter again.

    Autograd's own second derivative of a depthwise convolution goes through the channels one by one.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.how = x.shape, stride, padding
        return _carried_out(x, weight, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors
        gradient: Tensor = _Transposed.apply(gradients[0], weight, *ctx.how)  # type: ignore[no-untyped-call]
        return gradient, None, None, None


class _Transposed(torch.autograd.Function):
    """The transpose of `_Filter`."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, shape: torch.Size, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.how = stride, padding
        if len(weight) > shape[1]:  # several filters a channel
            whole: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
                shape, weight, y, stride=stride, padding=padding, groups=shape[1]
            )
            return whole
        if gate.depthwise_pays(y, weight):
            from services.generator.stylegan2 import depthwise

            return depthwise.transposed(y, weight[0, 0], (shape[2], shape[3]), stride, padding)
        # torch's own transpose is slower and leaves channels-last layout, which slows all that comes after it.
        reach = weight.shape[-1] - 1
        n, channels, *sides = shape
        spread = y
        if stride > 1:
            spread = y.new_zeros((n, channels, *(side + 2 * padding - reach for side in sides)))
            spread = spread.contiguous(memory_format=torch.channels_last)
            spread[:, :, ::stride, ::stride] = y
        return F.conv2d(spread, weight.flip(2, 3), padding=reach - padding, groups=channels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (weight,) = ctx.saved_tensors
        return _filtered(gradients[0], weight, *ctx.how), None, None, None, None
