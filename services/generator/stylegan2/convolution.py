"""The 3x3 convolutions that networks are made of, each the fastest way there is, differentiable as often as one likes.

A convolution is linear in its input and in its kernel; each of its derivatives is again a convolution or the sum that a
kernel's gradient is. So `convolve`, its transpose and their kernel gradient are closed under differentiation, and so
are `halve`, its transpose `double`, and theirs, whatever carries them out.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from services.generator.stylegan2 import gate
from services.generator.stylegan2.matrices import Places


def prepared(weight: Tensor) -> Places | None:
    """What `convolve` makes of a kernel (O, I, 3, 3) each time it is not given; None where it makes nothing of it."""
    return _transformed(weight) if gate.winograd_fits(weight) else None


def convolve(x: Tensor, weight: Tensor, kernel: Places | None = None) -> Tensor:
    """Correlate with a 3x3 kernel, zeros around.

    Shapes:
        x: (N, I, H, W); weight: (O, I, 3, 3); returns (N, O, H, W)
        kernel: see `prepared`, where it is known from before
    """
    if gate.winograd_pays(x, weight) or gate.few_tiles(x, weight):
        if _learns(x, weight):
            y: Tensor = _Convolve.apply(x, weight)  # type: ignore[no-untyped-call]
            return y
        return _carried_out(x, weight, kernel)
    if whole := gate.whole_panels(x, weight):
        sizes = [whole, x.shape[1] - whole]
        panels, few = torch.split(x, sizes, dim=1)
        kernel_of_panels, kernel_of_few = torch.split(weight, sizes, dim=1)
        rest = F.conv2d(few, kernel_of_few, padding=1)
        return convolve(panels.contiguous(memory_format=torch.channels_last), kernel_of_panels).add_(rest)
    return F.conv2d(x, weight, padding=1)


def halve(x: Tensor, weight: Tensor) -> Tensor:
    """Correlate with a 3x3 kernel at every second pixel of every second row.

    Shapes:
        x: (N, I, 2H + 1, 2W + 1); weight: (O, I, 3, 3); returns (N, O, H, W)
    """
    if not _learns(x, weight):
        return _halved(x, weight)
    y: Tensor = _Halve.apply(x, weight)  # type: ignore[no-untyped-call]
    return y


def double(y: Tensor, weight: Tensor) -> Tensor:
    """The transpose of `halve`: spread every pixel by a 3x3 kernel to twice the resolution.

    Shapes:
        y: (N, O, H, W); weight: (O, I, 3, 3); returns (N, I, 2H + 1, 2W + 1)
    """
    if not _learns(y, weight):
        return _doubled(y, weight)
    x: Tensor = _Double.apply(y, weight)  # type: ignore[no-untyped-call]
    return x


def _learns(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


# The loops are imported where they are used, behind the gate: their modules import Numba.


def _transformed(weight: Tensor, *, turned: bool = False) -> Places:
    from services.generator.stylegan2 import kernels

    return kernels.transformed(weight, turned=turned)


def _carried_out(x: Tensor, weight: Tensor, kernel: Places | None = None, *, turned: bool = False) -> Tensor:
    """Turned: the transpose, from (N, O, H, W) to (N, I, H, W)."""
    if gate.few_tiles(x, weight):
        from services.generator.stylegan2 import direct

        return direct.near(x, weight, turned=turned)
    from services.generator.stylegan2 import winograd

    return winograd.convolve(x, _transformed(weight, turned=turned) if kernel is None else kernel)


def _halved(x: Tensor, weight: Tensor) -> Tensor:
    if gate.direct_pays(x, x.shape[2] // 2 * (x.shape[3] // 2), weight):
        from services.generator.stylegan2 import direct

        return direct.halve(x, weight)
    return F.conv2d(x, weight, stride=2)


def _doubled(y: Tensor, weight: Tensor) -> Tensor:
    if gate.direct_pays(y, y.shape[2] * y.shape[3], weight):
        from services.generator.stylegan2 import direct

        return direct.double(y, weight)
    return F.conv_transpose2d(y, weight, stride=2)


def _lies_turned(weight: Tensor) -> bool:
    """Whether a kernel is one in channels-last layout whose channels have changed places; its gradient is to be too."""
    return weight.transpose(0, 1).is_contiguous(memory_format=torch.channels_last)


class _Convolve(torch.autograd.Function):
    """Activations and kernel to activations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _carried_out(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        for_x = _ConvolveBack.apply(gradient, weight) if ctx.needs_input_grad[0] else None  # type: ignore[no-untyped-call]
        for_weight = _ConvolveKernel.apply(x, gradient) if ctx.needs_input_grad[1] else None  # type: ignore[no-untyped-call]
        return for_x, for_weight


class _ConvolveBack(torch.autograd.Function):
    """The transpose of `_Convolve`: (N, O, H, W) and (O, I, 3, 3) to (N, I, H, W)."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(y, weight)
        return _carried_out(y, weight, turned=True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        y, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        for_y = _Convolve.apply(gradient, weight) if ctx.needs_input_grad[0] else None  # type: ignore[no-untyped-call]
        for_weight = _ConvolveKernel.apply(gradient, y) if ctx.needs_input_grad[1] else None  # type: ignore[no-untyped-call]
        return for_y, for_weight


class _ConvolveKernel(torch.autograd.Function):
    """Activations and the gradient of what came out to the kernel's gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(x, gradient)
        from services.generator.stylegan2 import winograd

        return winograd.correlate(x, gradient)

    @staticmethod
    def backward(ctx: Any, *seconds: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, gradient = ctx.saved_tensors
        for_x = _ConvolveBack.apply(gradient, seconds[0]) if ctx.needs_input_grad[0] else None  # type: ignore[no-untyped-call]
        for_gradient = _Convolve.apply(x, seconds[0]) if ctx.needs_input_grad[1] else None  # type: ignore[no-untyped-call]
        return for_x, for_gradient


class _Halve(torch.autograd.Function):
    """See `halve`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _halved(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        for_x = double(gradient, weight) if ctx.needs_input_grad[0] else None
        for_weight = _HalveKernel.apply(x, gradient, _lies_turned(weight)) if ctx.needs_input_grad[1] else None  # type: ignore[no-untyped-call]
        return for_x, for_weight


class _Double(torch.autograd.Function):
    """See `double`."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(y, weight)
        return _doubled(y, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        y, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        for_y = halve(gradient, weight) if ctx.needs_input_grad[0] else None
        for_weight = _HalveKernel.apply(gradient, y, _lies_turned(weight)) if ctx.needs_input_grad[1] else None  # type: ignore[no-untyped-call]
        return for_y, for_weight


class _HalveKernel(torch.autograd.Function):
    """Activations at the high resolution (N, I, 2H + 1, 2W + 1) and low (N, O, H, W) to the gradient (O, I, 3, 3)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, turned: bool) -> Tensor:
        ctx.save_for_backward(x, y)
        if gate.strided_pays(x, y):
            from services.generator.stylegan2 import direct

            return direct.halve_gradient(x, y, turned=turned)
        unused = x.new_empty(()).expand(y.shape[1], x.shape[1], 3, 3)
        gradient: Tensor = torch.ops.aten.convolution_backward(
            y, x, unused, None, [2, 2], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]
        )[1]
        return gradient

    @staticmethod
    def backward(ctx: Any, *seconds: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, y = ctx.saved_tensors
        for_x = double(y, seconds[0]) if ctx.needs_input_grad[0] else None
        for_y = halve(x, seconds[0]) if ctx.needs_input_grad[1] else None
        return for_x, for_y, None
