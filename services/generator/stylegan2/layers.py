"""Layers of StyleGAN2: equalised linear and convolution layers, modulated convolution, minibatch deviation.

References:
    [1] Karras et al. 2018, "Progressive Growing of GANs" (arXiv:1710.10196): equalised learning rate, section 4.1;
        minibatch standard deviation, section 3.
    [2] Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958): weight
        (de)modulation, section 2.2; architecture, section 4.1.

Speed, without changing a result: modulation scales the activations instead of building a kernel per sample, so the
convolution stays one shared, dense call in channels-last layout, by Winograd's algorithm where that pays; every gain,
also the sqrt(2) of the leaky ReLU, which is positively homogeneous, is part of the one scale that comes behind a
convolution, in one pass with all else that does (`activation.py`). Without gradients, what depends on the weights alone
is kept, and a layer overwrites what it was given.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from services.generator.stylegan2.activation import SLOPE, activated, modulated
from services.generator.stylegan2.convolution import convolve, double, halve, prepared
from services.generator.stylegan2.filters import BINOMIAL, blur, downsample, outer, upsample, upsampling_phases
from services.generator.stylegan2.matrices import Places

ACT_GAIN = math.sqrt(2)  # keeps the variance through the leaky ReLU
DEMOD_EPS = 1e-8


class EqualLinear(nn.Module):
    """Fully connected layer with equalised learning rate [1].

    Shapes:
        x: (N, I); returns (N, O)

    Args:
        lr_multiplier: factor on the learning rate of weight and bias; the mapping network uses 0.01.
        activate: leaky ReLU with gain sqrt(2) after it.
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, lr_multiplier: float = 1.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr_multiplier))
        self._activate = activate
        act_gain = ACT_GAIN if activate else 1.0
        self._weight_gain = act_gain * lr_multiplier / math.sqrt(inputs)
        self._bias_gain = act_gain * lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = torch.addmm(self.bias, x, self.weight.t(), beta=self._bias_gain, alpha=self._weight_gain)
        return F.leaky_relu_(y, SLOPE) if self._activate else y


class EqualConv2d(nn.Module):
    """Convolution with equalised learning rate [1], optionally halving the resolution behind a FIR filter [2].

    Shapes:
        x: (N, I, H, W); returns (N, O, H, W), or (N, O, H/2, W/2) with down

    Args:
        kernel_px: side of the kernel, 1 or 3.
        activate: a bias and the leaky ReLU come after it.
        gain: factor on the result (after the activation).
        clamp: bound of the result.
    """

    fir: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_px: int,
        *,
        down: bool = False,
        activate: bool = True,
        gain: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_px, kernel_px))
        self.bias = nn.Parameter(torch.zeros(outputs)) if activate else None
        self._kernel_px = kernel_px
        self._down = down
        self._clamp = clamp
        self._bias_gain = gain * (ACT_GAIN if activate else 1.0)
        self._weight_gain = self._bias_gain / math.sqrt(inputs * kernel_px**2)
        self.register_buffer("fir", outer(torch.tensor(BINOMIAL)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self._down and self._kernel_px == 1:  # filter and drop pixels first: the convolution sees a quarter
            x = downsample(x, self.fir, padding=1)
        elif self._down:
            x = blur(x, self.fir, padding=2)
        weight: Tensor = self.weight
        gain = self._weight_gain
        if self._kernel_px == 1 or x.dtype != weight.dtype:  # few numbers; or in half precision, where sums stay small
            weight, gain = (weight * gain).to(x.dtype), 1.0
        wide = halve if self._down else convolve
        y = F.conv2d(x, weight) if self._kernel_px == 1 else wide(x, weight)
        if self.bias is not None:
            scale = torch.full((1, y.shape[1]), gain, dtype=self.bias.dtype, device=y.device)
            y = activated(y, scale, self.bias * self._bias_gain)
        return _clamped(y, self._clamp)


class ModulatedConv2d(nn.Module):
    """3x3 convolution whose kernel is scaled per sample by a style and normalised per output channel [2].

    With kernel w, style s and gain g the kernel of a sample is w'_oi = g s_i w_oi / sqrt(sum_i (g s_i w_oi)^2 + eps).
    Scaling input channels by g s and output channels by the root gives the same activations from one shared kernel.

    Shapes:
        x: (N, I, H, W); style: (N, I)
        returns: (N, O, H, W), or (N, O, 2H, 2W) where it up-samples, not yet demodulated; and the scale (N, O) that
        demodulates it
        Without gradients x is overwritten.
    """

    fir: Tensor

    def __init__(self, inputs: int, outputs: int, *, up: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self._up = up
        self._gain = 1 / math.sqrt(inputs * 9)
        self._known: tuple[tuple[int, int], _Prepared] | None = None
        self.register_buffer("fir", outer(2 * torch.tensor(BINOMIAL)), persistent=False)  # 2 an axis: half are zeros

    def forward(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        if x.dtype != self.weight.dtype:
            return self._halved(x, style)
        style = style * self._gain
        known = self._prepared()
        scale = (style.square() @ known.power.t() + DEMOD_EPS).rsqrt()  # (N, O)
        x = modulated(x, style)
        if self._up:
            y = double(x, known.turned)  # (N, O, 2H+1, 2W+1)
            return blur(y, self.fir, padding=1), scale
        return convolve(x, self.weight, known.kernel), scale

    def _halved(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """In half precision: styles and kernels are at most 1, so no sum leaves fp16; the scale makes up for it."""
        style = style * (self._gain / style.detach().abs().amax(dim=1, keepdim=True).clamp_min(DEMOD_EPS))
        weight = self.weight / self.weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(DEMOD_EPS)
        scale = (style.square() @ weight.square().sum(dim=(2, 3)).t() + DEMOD_EPS).rsqrt()  # (N, O), fp32
        x, weight = x * style[:, :, None, None].to(x.dtype), weight.to(x.dtype)
        if self._up:
            return blur(double(x, weight.transpose(0, 1)), self.fir, padding=1), scale
        return convolve(x, weight), scale

    def _prepared(self) -> "_Prepared":
        """What is made of the weights; in evaluation kept while they stay as they are."""
        if self.training or torch.is_grad_enabled():
            power: Tensor = _Power.apply(self.weight)  # type: ignore[no-untyped-call]
            return _Prepared(power, self.weight.transpose(0, 1))
        state = self.weight.data_ptr(), self.weight._version
        if self._known is None or self._known[0] != state:
            turned: Tensor = self.weight
            if self._up:
                turned = self.weight.transpose(0, 1).contiguous(memory_format=torch.channels_last)
            kernel = None if self._up else prepared(self.weight)
            self._known = state, _Prepared(self.weight.square().sum(dim=(2, 3)), turned, kernel)
        return self._known[1]


class _Power(torch.autograd.Function):
    """Squared norms of kernels (O, I, 3, 3), as (O, I); back in one pass, where a power's derivative takes three."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return weight.square().sum(dim=(2, 3))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (weight,) = ctx.saved_tensors
        return weight * (2 * gradients[0])[:, :, None, None]  # type: ignore[no-any-return]


class _Prepared(NamedTuple):
    """Made of a modulated convolution's weights (O, I, 3, 3)."""

    power: Tensor  # (O, I): squared norms of the kernels
    turned: Tensor  # (I, O, 3, 3), for up-sampling
    kernel: Places | None = None  # see `prepared`


class SynthesisLayer(nn.Module):
    """Style, modulated convolution, noise, bias, leaky ReLU [2].

    Shapes:
        x: (N, I, H, W); w: (N, D); noise: (N or 1, 1, R, R) or None; returns (N, O, R, R)
    """

    noise_const: Tensor

    def __init__(
        self, inputs: int, outputs: int, w_dim: int, resolution_px: int, *, up: bool = False, clamp: float | None = None
    ) -> None:
        super().__init__()
        self._clamp = clamp
        self.affine = EqualLinear(w_dim, inputs, bias=1.0)
        self.conv = ModulatedConv2d(inputs, outputs, up=up)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise_const", torch.randn(1, 1, resolution_px, resolution_px))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """See the class."""
        y, scale = self.conv(x, self.affine(w))
        if noise is not None:
            noise = noise * (self.noise_strength * ACT_GAIN)
        return _clamped(activated(y, scale * ACT_GAIN, self.bias * ACT_GAIN, noise), self._clamp)


class ToImage(nn.Module):
    """Styled 1x1 convolution to image channels, without demodulation [2].

    A kernel per sample is cheap here (O is 1 or 3) and spares a pass over the activations.

    Shapes:
        x: (N, I, H, W); w: (N, D); returns (N, O, H, W)
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, *, clamp: float | None = None) -> None:
        super().__init__()
        self._clamp = clamp
        self.affine = EqualLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._gain = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """See the class."""
        n, _, height, width = x.shape
        style = self.affine(w) * self._gain
        kernel = style[:, :, None] * self.weight.t()[None]  # (N, I, O)
        pixels = x.permute(0, 2, 3, 1).reshape(n, height * width, -1)  # a view in channels-last layout
        y = torch.baddbmm(self.bias[None, None].to(x.dtype), pixels, kernel.to(x.dtype))  # (N, HW, O)
        return _clamped(y.reshape(n, height, width, -1).permute(0, 3, 1, 2), self._clamp)


class Upsample(nn.Module):
    """Doubles the resolution of images with the filter [1, 3, 3, 1].

    Shapes:
        x: (N, C, H, W); returns (N, C, 2H, 2W)
    """

    phases: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("phases", upsampling_phases(torch.tensor(BINOMIAL)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return upsample(x, self.phases)


class MinibatchDeviation(nn.Module):
    """Appends channels that say how much the samples of a group differ [1].

    Shapes:
        x: (N, C, H, W), of one or more sets of as many samples one after the other, whose samples do not meet
        returns: (N, C + F, H, W)

    Args:
        group: samples a group, N / group apart; a set that it does not divide is one of the largest divisor below.
        features: F, each over C / F channels.
    """

    def __init__(self, group: int = 4, features: int = 1) -> None:
        super().__init__()
        self._group = group
        self._features = features

    def forward(self, x: Tensor, sets: int = 1) -> Tensor:
        """See the class."""
        channels, height, width = x.shape[1:]
        n = len(x) // sets
        group = next(g for g in range(min(self._group, n), 0, -1) if n % g == 0)
        pixels = x.permute(0, 2, 3, 1)  # in channels-last layout a view like the next line's
        y = pixels.reshape(sets, group, n // group, height, width, self._features, channels // self._features)
        variance = (y - y.mean(dim=1, keepdim=True)).square().mean(dim=1)  # `var` takes fifty times as long
        deviation = (variance + 1e-8).sqrt().mean(dim=(2, 3, 5))  # (sets, N / group, F)
        statistic = deviation.repeat(1, group, 1).flatten(0, 1)[:, :, None, None].expand(-1, -1, height, width)
        return torch.cat([x, statistic], dim=1)


def _clamped(x: Tensor, bound: float | None) -> Tensor:
    """Within plus and minus the bound, if there is one."""
    return x if bound is None else x.clamp(-bound, bound)
