"""Separable FIR filters: up-sampling, down-sampling and blurring without aliasing.

Reference: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958), section 2.3
and appendix B; the filter [1, 3, 3, 1] is from Zhang 2019, "Making Convolutional Networks Shift-Invariant Again".

All filters here are depthwise convolutions, so autograd knows their derivatives of every order.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BINOMIAL = (0.125, 0.375, 0.375, 0.125)  # [1, 3, 3, 1] / 8


def outer(taps: Tensor) -> Tensor:
    """(T,) -> (T, T): the two-dimensional kernel of a separable filter."""
    return torch.outer(taps, taps)


def blur(x: Tensor, kernel: Tensor, padding: int) -> Tensor:
    """Correlate every channel with one kernel.

    Shapes:
        x: (N, C, H, W); kernel: (T, T); returns (N, C, H + 2 padding - T + 1, W + 2 padding - T + 1)
    """
    return F.conv2d(x, _depthwise(kernel, x.shape[1]), padding=padding, groups=x.shape[1])


def downsample(x: Tensor, kernel: Tensor, padding: int) -> Tensor:
    """Correlate every channel with one kernel and keep every second pixel of every second row.

    Shapes:
        x: (N, C, H, W); kernel: (T, T); returns (N, C, H / 2, W / 2) for padding = T / 2 - 1
    """
    return F.conv2d(x, _depthwise(kernel, x.shape[1]), stride=2, padding=padding, groups=x.shape[1])


def upsample(x: Tensor, phases: Tensor) -> Tensor:
    """Double the resolution: zeros between the pixels, then a FIR filter, computed without touching the zeros.

    Each of the four output phases sees only every second tap, so all are convolutions at the low resolution.

    Shapes:
        x: (N, C, H, W); phases: (4, 1, K, K) from `upsampling_phases`; returns (N, C, 2H, 2W)
    """
    channels = x.shape[1]
    weight = phases.repeat(channels, 1, 1, 1)  # (4C, 1, K, K), the phases of a channel side by side
    y = F.conv2d(x, weight, padding=phases.shape[-1] // 2, groups=channels)  # (N, 4C, H, W)
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
