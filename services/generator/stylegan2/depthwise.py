"""Filters on every channel by itself, and their transposes, on a CPU; activations are in channels-last layout.

A pixel of the output sees a square of pixels, whose rows of channels lie one after the other in each of the square's
rows. So a loop over channels needs one address a row, and all factors stay in registers. At the borders it needs one a
pixel, for some are zeros that lie elsewhere.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

from services.generator.stylegan2.compiled import fields, run, take
from services.generator.stylegan2.vectors import LANES, Memory, behind


class _Axis(NamedTuple):
    """What pixels of the output, start + step k, see along an axis: source times k + first, and on, through taps."""

    start: int
    step: int
    pixels: int
    source: int
    first: int
    taps: list[int]


def filtered(x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    """Correlate every channel with one kernel (T, T): (N, C, H, W) to (N, C, (H + 2 padding - T) / stride + 1, …)."""
    side = len(kernel)
    height, width = ((length + 2 * padding - side) // stride + 1 for length in x.shape[2:])
    rows, columns = (_Axis(0, 1, length, stride, -padding, [*range(side)]) for length in (height, width))
    return _carried_out(x, kernel, height, width, [(rows, columns)])


def transposed(y: Tensor, kernel: Tensor, size: tuple[int, int], stride: int, padding: int) -> Tensor:
    """The transpose of `filtered`, to (N, C, *size). Pixels of each residue by the stride see through the same taps."""
    every_row, every_column = (list(_residues(length, len(kernel), stride, padding)) for length in size)
    return _carried_out(y, kernel, *size, [(rows, columns) for rows in every_row for columns in every_column])


def _residues(length: int, side: int, stride: int, padding: int) -> Iterator[_Axis]:
    for residue in range(stride):
        taps = [tap for tap in reversed(range(side)) if (residue + padding - tap) % stride == 0]
        count, first = (length - residue + stride - 1) // stride, (residue + padding - taps[0]) // stride
        yield _Axis(residue, stride, count, 1, first, taps)


def _carried_out(x: Tensor, kernel: Tensor, height: int, width: int, parts: list[tuple[_Axis, _Axis]]) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    n, channels = x.shape[:2]
    y = torch.empty((n, channels, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    sizes = {"images": n, "channels": channels, "height": x.shape[2], "width": x.shape[3]}
    sizes |= {"to_height": height, "to_width": width}
    for rows, columns in parts:
        factors = kernel[rows.taps][:, columns.taps].contiguous()
        axes = {f"row_{name}": number for name, number in rows._asdict().items() if name != "taps"}
        axes |= {f"column_{name}": number for name, number in columns._asdict().items() if name != "taps"}
        run(
            _filter,
            x.dtype,
            x=x.data_ptr(),
            y=y.data_ptr(),
            factors=factors.data_ptr(),
            side=len(factors),
            **sizes,
            **axes,
        )
    return y


def _sum_of_square(side: int, *, apart: bool = False):  # type: ignore[no-untyped-def]
    """Code for a pixel's channels: the sum of a square of pixels, each times a number.

    It is given the address of a table: of the square's rows or, where its pixels are apart, of the pixels.
    """

    @intrinsic
    def code(typing, table, factors, target, channels, zero):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            table, factors, target, channels, _ = arguments
            memory = Memory(context, builder, signature.args[4])

            def constant(number):  # type: ignore[no-untyped-def]
                return ir.Constant(ir.IntType(64), number)

            entries = builder.inttoptr(table, ir.IntType(64).as_pointer())
            every_factor = [memory.spread(memory.behind(factors, constant(tap))) for tap in range(side**2)]
            count = side**2 if apart else side
            starts = [builder.load(builder.gep(entries, [constant(number)])) for number in range(count)]
            steps = [builder.mul(channels, constant(column)) for column in range(side)]
            with cgutils.for_range(builder, builder.udiv(channels, constant(LANES))) as loop:
                channel, total = builder.mul(loop.index, constant(LANES)), memory.zeros()
                offsets = [builder.add(channel, step) for step in steps]
                for tap, factor in enumerate(every_factor):
                    start, offset = (starts[tap], channel) if apart else (starts[tap // side], offsets[tap % side])
                    total = memory.sum_with_product(total, factor, memory.read(memory.behind(start, offset)))
                memory.write(total, memory.behind(target, channel))
            return context.get_dummy_value()

        length = types.int64
        return types.void(length, length, length, length, zero), generate

    return code


# Whole filters, and the half of their taps that a pixel between two resolutions sees.
_sum_of_4, _sum_of_2 = _sum_of_square(4), _sum_of_square(2)
_sum_of_4_apart, _sum_of_2_apart = _sum_of_square(4, apart=True), _sum_of_square(2, apart=True)


def _filter(address):  # type: ignore[no-untyped-def]
    """A thread takes a row of the output at a time."""
    task = fields(address)
    zero, channels, side = task.zero, task.channels, task.side
    zeros = np.full(task.width * channels, zero)
    rows, pixels = np.empty(side, np.int64), np.empty(side**2, np.int64)
    lines = np.empty(side, np.int64)
    k = take(address)
    while k < task.images * task.row_pixels:
        image, row = k // task.row_pixels, k % task.row_pixels
        for tap in range(side):
            source = task.row_source * row + task.row_first + tap
            at = behind(task.x, (image * task.height + source) * task.width * channels, zero)
            rows[tap] = at if 0 <= source < task.height else zeros.ctypes.data
        to_row = (image * task.to_height + task.row_start + task.row_step * row) * task.to_width
        for pixel in range(task.column_pixels):
            column = task.column_source * pixel + task.column_first
            to = behind(task.y, (to_row + task.column_start + task.column_step * pixel) * channels, zero)
            if column >= 0 and column + side <= task.width:
                for tap in range(side):
                    lines[tap] = behind(rows[tap], column * channels, zero)
                if side == 4:
                    _sum_of_4(lines.ctypes.data, task.factors, to, channels, zero)
                else:
                    _sum_of_2(lines.ctypes.data, task.factors, to, channels, zero)
            else:
                for tap in range(side**2):
                    at = column + tap % side
                    inside = 0 <= at < task.width
                    pixels[tap] = behind(rows[tap // side], at * channels, zero) if inside else zeros.ctypes.data
                if side == 4:
                    _sum_of_4_apart(pixels.ctypes.data, task.factors, to, channels, zero)
                else:
                    _sum_of_2_apart(pixels.ctypes.data, task.factors, to, channels, zero)
        k = take(address)
