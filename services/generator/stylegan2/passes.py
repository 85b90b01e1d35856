"""Passes over activations in compiled loops, on a CPU: what would be several of torch's, each through memory, in one.

Activations are (N, C, H, W) in channels-last layout. A thread takes some pixels of an image at a time; sums over pixels
are written for each such piece and added up afterwards, so that they do not depend on the number of threads.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

from services.generator.stylegan2.activation import SLOPE
from services.generator.stylegan2.compiled import OPTIONS, fields, numbers, run, take
from services.generator.stylegan2.vectors import LANES, Memory, Vector, behind

PIECE = 128  # pixels
NUMBERS = 2**14  # of a parameter, that a thread takes at a time

Body = Callable[[Memory, list[Any], Any], Vector | None]


def activate(y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None, into: Tensor) -> None:
    """Write leaky ReLU of y * scale + bias + noise, as `activation.activated` has them, into what lies as y or is y."""
    if noise is None:
        noise = y.new_zeros(1, 1, *y.shape[2:])
    given = {"y": y.data_ptr(), "into": into.data_ptr(), "scale": scale.data_ptr(), "bias": bias.data_ptr()}
    steps = {"scale_step": _step(scale), "noise_step": _step(noise)}
    run(_activate, y.dtype, **given, **steps, noise=noise.data_ptr(), **_sizes(y))


def activate_gradient(gradient: Tensor, activated: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """What `activate` hands back to y (N, C, H, W) and to the bias (C,), from the gradient of what it wrote."""
    for_y, sums = torch.empty_like(gradient), _sums(gradient, 1)
    given = {"gradient": gradient.data_ptr(), "activated": activated.data_ptr(), "scale": scale.data_ptr()}
    given |= {"scale_step": _step(scale), "into": for_y.data_ptr(), "sums": sums.data_ptr()}
    run(_activate_gradient, gradient.dtype, **given, **_sizes(gradient))
    return for_y, sums.sum(dim=(0, 1, 2))


def activate_gradients(
    gradient: Tensor, activated: Tensor, scale: Tensor, y: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same, and then to the scale (N, C) and to noise (N, 1, H, W)."""
    for_y, sums, for_noise = torch.empty_like(gradient), _sums(gradient, 2), torch.empty_like(gradient[:, :1])
    given = {"gradient": gradient.data_ptr(), "activated": activated.data_ptr(), "scale": scale.data_ptr()}
    given |= {"scale_step": _step(scale), "into": for_y.data_ptr(), "sums": sums.data_ptr()}
    run(
        _activate_gradients, gradient.dtype, **given, y=y.data_ptr(), noise=for_noise.data_ptr(), **_sizes(gradient)
    )  # fmt: skip
    of_images = sums.sum(dim=1)
    return for_y, of_images[:, 0].sum(dim=0), of_images[:, 1], for_noise


def modulate_gradient(gradient: Tensor, x: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """What the product of (N, C, H, W) and (N, C) hands back to both."""
    for_x, sums = torch.empty_like(gradient), _sums(gradient, 1)
    given = {"gradient": gradient.data_ptr(), "x": x.data_ptr(), "scale": factor.data_ptr()}
    given |= {"scale_step": _step(factor), "into": for_x.data_ptr(), "sums": sums.data_ptr()}
    run(_modulate_gradient, gradient.dtype, **given, **_sizes(gradient))
    return for_x, sums.sum(dim=(1, 2))


def descend(parameter: Tensor, squares: Tensor, beta: float, learning_rate: float, unbiased: float, eps: float) -> None:
    """A step of `training.optimiser.Adam`, on a parameter whose gradient and squares lie in memory as it does."""
    assert parameter.grad is not None
    numbers_of_step = parameter.new_tensor([beta, 1 - beta, learning_rate, 1 / unbiased, eps])
    given = {"parameter": parameter.data_ptr(), "gradient": parameter.grad.data_ptr(), "squares": squares.data_ptr()}
    run(_descend, parameter.dtype, **given, numbers=numbers_of_step.data_ptr(), count=parameter.numel())


def _sizes(x: Tensor) -> dict[str, int]:
    return {"images": len(x), "pixels": x.shape[2] * x.shape[3], "channels": x.shape[1]}


def _step(x: Tensor) -> int:
    """How far an image's part lies behind the last one's; not at all where there is one for all of them."""
    return x.numel() // len(x) if len(x) > 1 else 0


def _sums(x: Tensor, count: int) -> Tensor:
    """(N, pieces, count, C): of each piece of an image."""
    return x.new_zeros(len(x), math.ceil(x.shape[2] * x.shape[3] / PIECE), count, x.shape[1])


def _row(body: Body):  # type: ignore[no-untyped-def]
    """Code for a pixel's channels, from a tuple of addresses: a vector at a time is what `body` says.

    It returns the sum of all the vectors' numbers that `body` returns, 0 where it returns none.
    """

    @intrinsic
    def code(typing, addresses, channels, zero):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            memory, lanes = Memory(context, builder, zero), ir.Constant(ir.IntType(64), LANES)
            at = [builder.extract_value(arguments[0], number) for number in range(len(addresses))]
            total = cgutils.alloca_once_value(builder, memory.zeros().value)
            with cgutils.for_range(builder, builder.udiv(arguments[1], lanes)) as loop:
                added = body(memory, at, builder.mul(loop.index, lanes))
                if added is not None:
                    builder.store((Vector(builder, builder.load(total)) + added).value, total)
            return memory.sum_of_lanes(Vector(builder, builder.load(total)))

        return zero(addresses, types.int64, zero), generate

    return code


def _finish(memory: Memory, at: list[Any], channel: Any) -> None:
    y, scale, bias, noise, into = at
    scaled = memory.sum_with_product(memory.near(bias, channel) + memory.spread(noise), memory.near(y, channel),
                                     memory.near(scale, channel))  # fmt: skip
    memory.write(memory.where_positive(scaled, scaled, scaled * SLOPE), memory.behind(into, channel))


def _hand_back(memory: Memory, at: list[Any], channel: Any) -> Vector:
    gradient, activated, scale, into, sums = at[:5]
    given = memory.near(gradient, channel)
    before = memory.where_positive(memory.near(activated, channel), given, given * SLOPE)
    memory.write(memory.product(before, memory.near(scale, channel)), memory.behind(into, channel))
    memory.write(memory.near(sums, channel) + before, memory.behind(sums, channel))
    return before


def _hand_all_back(memory: Memory, at: list[Any], channel: Any) -> Vector:
    y, scaled_sums = at[5:]
    before = _hand_back(memory, at, channel)
    total = memory.sum_with_product(memory.near(scaled_sums, channel), before, memory.near(y, channel))
    memory.write(total, memory.behind(scaled_sums, channel))
    return before


def _hand_product_back(memory: Memory, at: list[Any], channel: Any) -> None:
    gradient, x, factor, into, sums = at
    given = memory.near(gradient, channel)
    memory.write(memory.product(given, memory.near(factor, channel)), memory.behind(into, channel))
    total = memory.sum_with_product(memory.near(sums, channel), given, memory.near(x, channel))
    memory.write(total, memory.behind(sums, channel))


_row_finished, _row_back, _row_all_back = _row(_finish), _row(_hand_back), _row(_hand_all_back)
_row_product_back = _row(_hand_product_back)


@njit(**OPTIONS)
def _pieces(task):  # type: ignore[no-untyped-def]
    """Of an image."""
    return (task.pixels + PIECE - 1) // PIECE


@njit(**OPTIONS)
def _piece(task, k):  # type: ignore[no-untyped-def]
    """The image of a piece, its first pixel, and the one behind its last."""
    pieces = _pieces(task)
    first = k % pieces * PIECE
    return k // pieces, first, min(first + PIECE, task.pixels)


def _activate(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, channels, k = task.zero, task.channels, take(address)
    while k < task.images * _pieces(task):
        image, first, end = _piece(task, k)
        scale = behind(task.scale, image * task.scale_step, zero)
        for pixel in range(first, end):
            row = (image * task.pixels + pixel) * channels
            noise = behind(task.noise, image * task.noise_step + pixel, zero)
            at = (behind(task.y, row, zero), scale, task.bias, noise, behind(task.into, row, zero))
            _row_finished(at, channels, zero)
        k = take(address)


def _activate_gradient(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, channels, k = task.zero, task.channels, take(address)
    while k < task.images * _pieces(task):
        image, first, end = _piece(task, k)
        scale, sums = behind(task.scale, image * task.scale_step, zero), behind(task.sums, k * channels, zero)
        for pixel in range(first, end):
            row = (image * task.pixels + pixel) * channels
            gradient, activated = behind(task.gradient, row, zero), behind(task.activated, row, zero)
            _row_back((gradient, activated, scale, behind(task.into, row, zero), sums), channels, zero)
        k = take(address)


def _activate_gradients(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, channels, k = task.zero, task.channels, take(address)
    noise = numbers(task.noise, (task.images * task.pixels,), zero)
    while k < task.images * _pieces(task):
        image, first, end = _piece(task, k)
        scale, sums = behind(task.scale, image * task.scale_step, zero), behind(task.sums, 2 * k * channels, zero)
        for pixel in range(first, end):
            row = (image * task.pixels + pixel) * channels
            gradient, activated = behind(task.gradient, row, zero), behind(task.activated, row, zero)
            into, y, scaled_sums = behind(task.into, row, zero), behind(task.y, row, zero), behind(sums, channels, zero)
            at = (gradient, activated, scale, into, sums, y, scaled_sums)
            noise[image * task.pixels + pixel] = _row_all_back(at, channels, zero)
        k = take(address)


def _modulate_gradient(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, channels, k = task.zero, task.channels, take(address)
    while k < task.images * _pieces(task):
        image, first, end = _piece(task, k)
        factor, sums = behind(task.scale, image * task.scale_step, zero), behind(task.sums, k * channels, zero)
        for pixel in range(first, end):
            row = (image * task.pixels + pixel) * channels
            gradient, x = behind(task.gradient, row, zero), behind(task.x, row, zero)
            _row_product_back((gradient, x, factor, behind(task.into, row, zero), sums), channels, zero)
        k = take(address)


def _descend(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, count, of_step = task.zero, task.count, numbers(task.numbers, (5,), task.zero)
    beta, rest, rate, unbiased, eps = of_step[0], of_step[1], of_step[2], of_step[3], of_step[4]
    first = take(address) * NUMBERS
    while first < count:
        length = min(NUMBERS, count - first)
        parameter = numbers(behind(task.parameter, first, zero), (length,), zero)
        gradient = numbers(behind(task.gradient, first, zero), (length,), zero)
        squares = numbers(behind(task.squares, first, zero), (length,), zero)
        for k in range(length):
            slope = gradient[k]
            square = beta * squares[k] + rest * slope * slope
            squares[k] = square
            parameter[k] -= rate * slope / (np.sqrt(square) * unbiased + eps)
        first = take(address) * NUMBERS
