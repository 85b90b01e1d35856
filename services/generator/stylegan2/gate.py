"""The one gate in front of the compiled loops: whether they can be used, whether they are to be, and where they pay.

Nothing here, nor what imports only this, imports Numba: a process that computes on a GPU never does, and one where
Numba is missing convolves by torch alone.
"""

from functools import cache
from typing import Literal

import structlog
import torch
from torch import Tensor

from services.generator.stylegan2.matrices import PIXELS, TILE

PANEL = 32  # channels that lie together, of which the loops take whole panels
LEAST_WIDTH = 32  # channels below which Winograd's transforms cost more than the multiplications that it saves
LEAST_TILES = 24  # of a batch, below which the transforms of the kernels do
LEAST_STRIDED_WIDTH = 64  # channels below which torch's own gradient between two resolutions is as fast
LEAST_NUMBERS = 2**14  # of a parameter, below which a loop's start takes longer than what it saves
FIR = 4  # taps of the filters between two resolutions

Use = Literal["auto", "off"]

log = structlog.get_logger(__name__)


class _Switch:
    """Of the whole process, as torch's own are for the libraries that it convolves with."""

    use: Use = "auto"


def switch(use: Use) -> None:
    """Let the loops be used wherever they can be and pay, or nowhere."""
    if use == "off" and _Switch.use != "off":
        log.info("compiled loops are turned off: torch convolves")
    _Switch.use = use


def available() -> bool:
    """Whether the loops can be used here, and are to be."""
    return _Switch.use != "off" and not obstacle()


@cache
def obstacle() -> str:
    """What keeps this process from using the loops, empty where nothing does: found, and logged, once.

    Numba and llvmlite are needed, the OpenMP runtime that torch is linked with, and a processor with fused
    multiply-adds of vectors.
    """
    try:
        from services.generator.stylegan2 import depthwise, direct, passes, vectors, winograd  # noqa: F401  # all there is

        reason = vectors.lacking()
    except Exception as error:  # whatever ails a library that is not needed, torch convolves
        reason = f"{type(error).__name__}: {error}"
    if reason:
        log.warning("compiled loops cannot be used: torch convolves, which takes up to twice as long", reason=reason)
    return reason


def winograd_pays(x: Tensor, weight: Tensor) -> bool:
    """Whether Winograd's algorithm is faster for activations (N, I, H, W) and a kernel (O, I, 3, 3)."""
    n, _, height, width = x.shape
    enough = n * height * width >= LEAST_TILES * PIXELS
    return enough and height % TILE == 0 and width % TILE == 0 and winograd_fits(weight)


def winograd_fits(weight: Tensor) -> bool:
    """Whether a kernel (O, I, 3, 3) is wide enough and whole panels, on this device and in this precision."""
    return _fits(weight, weight.shape[1], weight.shape[0], LEAST_WIDTH)


def few_tiles(x: Tensor, weight: Tensor) -> bool:
    """Whether it would be, save that the transforms of the kernels cost more than so few tiles save."""
    n, _, height, width = x.shape
    few = n * height * width < LEAST_TILES * PIXELS
    return few and height % TILE == 0 and width % TILE == 0 and winograd_fits(weight)


def whole_panels(x: Tensor, weight: Tensor) -> int:
    """How many input channels are whole panels, where a few more, a deviation's, keep a kernel from it; or 0."""
    inputs = weight.shape[1]
    whole = inputs // PANEL * PANEL
    little = 0 < inputs - whole <= whole // LEAST_WIDTH
    panels = weight[:, :whole]
    return whole if little and (winograd_pays(x, panels) or few_tiles(x, panels)) else 0


def direct_pays(x: Tensor, low_pixels: int, weight: Tensor) -> bool:
    """Whether `direct.halve` or `direct.double` is faster for a batch x of images that have so many pixels halved.

    It is where torch has to turn a kernel around that is larger than the activations.
    """
    turned = not weight.is_contiguous(memory_format=torch.channels_last)
    larger = weight.numel() > len(x) * low_pixels * sum(weight.shape[:2])
    return turned and larger and _fits(weight, weight.shape[1], weight.shape[0], LEAST_STRIDED_WIDTH)


def depthwise_pays(x: Tensor, weight: Tensor) -> bool:
    """Whether `depthwise.filtered` is faster for activations (N, C, H, W) and one filter a channel (C, 1, T, T)."""
    channels = x.shape[1]
    return weight.shape == (channels, 1, FIR, FIR) and _fits(x, channels, channels, LEAST_WIDTH)


def passes_pay(x: Tensor) -> bool:
    """Whether `passes` are faster for activations (N, C, H, W) in channels-last layout."""
    return x.is_contiguous(memory_format=torch.channels_last) and _fits(x, x.shape[1], x.shape[1], LEAST_WIDTH)


def descent_pays(parameter: Tensor) -> bool:
    """Whether `passes.descend` is faster for a parameter: it is large, and its gradient lies in memory as it does."""
    gradient = parameter.grad
    flat = parameter.dim() == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    dense = flat or parameter.is_contiguous()
    alike = gradient is not None and gradient.stride() == parameter.stride() and gradient.dtype == parameter.dtype
    return dense and alike and parameter.numel() >= LEAST_NUMBERS and _fits(parameter, PANEL, PANEL, PANEL)


def strided_pays(x: Tensor, y: Tensor) -> bool:
    """Whether `direct.halve_gradient` is faster for activations (N, I, 2H + 1, 2W + 1) and (N, O, H, W)."""
    return _fits(x, x.shape[1], y.shape[1], LEAST_STRIDED_WIDTH)


def _fits(like: Tensor, inputs: int, outputs: int, least: int) -> bool:
    """Whether so many channels are whole panels and at least so many, and tensors like this one float32 on a CPU.

    What is traced is not: a trace can hold torch's own operations only.
    """
    if torch.jit.is_tracing():  # type: ignore[no-untyped-call]
        return False
    wide = min(inputs, outputs) >= least and inputs % PANEL == 0 and outputs % PANEL == 0
    return wide and like.dtype == torch.float32 and like.device.type == "cpu" and available()
