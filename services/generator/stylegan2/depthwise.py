"""Filters on every channel by itself, as sums of rows of channels that lie anywhere, on a CPU.

Each pixel of the output is read from the caches and written once; activations are in channels-last layout.
"""

from collections.abc import Sequence

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from torch import Tensor

from services.generator.stylegan2.compiled import fields, numbers, run, take
from services.generator.stylegan2.seen import Seen, addresses
from services.generator.stylegan2.vectors import LANES, Memory, behind

STRIP = 64  # pixels that a thread takes at a time


def filtered(x: Tensor, kernel: Tensor, seen: Sequence[Seen], height: int, width: int) -> Tensor:
    """Sum what each pixel sees of its own channel, times the taps: (N, C, H', W') and (T, T) to (N, C, H, W)."""
    x, kernel = x.contiguous(memory_format=torch.channels_last), kernel.contiguous()
    n, channels = x.shape[:2]
    y = torch.empty((n, channels, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    given = {"x": x.data_ptr(), "y": y.data_ptr(), "kernel": kernel.data_ptr(), "size": kernel.numel()}
    given |= {"from_image": x.shape[2] * x.shape[3], "to_image": height * width, "images": n, "channels": channels}
    for part in seen:
        run(_filter, x.dtype, **given, **addresses(part))
    return y


def _sum_of(count: int):  # type: ignore[no-untyped-def]
    """Code for the sum of so many vectors, each times a number."""

    @intrinsic
    def code(typing, sources, factors, offset, target, zero):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            sources, factors, offset, target, _ = arguments
            memory = Memory(context, builder, signature.args[4])
            entries = builder.inttoptr(sources, ir.IntType(64).as_pointer())
            total = memory.zeros()
            for tap in range(count):
                number = ir.Constant(ir.IntType(64), tap)
                vector = memory.read(memory.behind(builder.load(builder.gep(entries, [number])), offset))
                total = memory.sum_with_product(total, memory.spread(memory.behind(factors, number)), vector)
            memory.write(total, memory.behind(target, offset))
            return context.get_dummy_value()

        length = types.int64
        return types.void(length, length, length, length, zero), generate

    return code


_sum_of_1, _sum_of_4, _sum_of_16 = _sum_of(1), _sum_of(4), _sum_of(16)


def _filter(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, channels, count = task.zero, task.channels, task.tap_count
    taps, pixels = numbers(task.taps, (count,), 0), numbers(task.pixels, (task.pixel_count,), 0)
    sources, kernel = numbers(task.sources, (count, task.pixel_count), 0), numbers(task.kernel, (task.size,), zero)
    factors, rows, zeros = np.full(count, zero), np.empty(count, np.int64), np.full(channels, zero)
    for tap in range(count):
        factors[tap] = kernel[taps[tap]]
    total, first = task.images * task.pixel_count, take(address) * STRIP
    while first < total:
        for k in range(first, min(first + STRIP, total)):
            image, pixel = k // task.pixel_count, k % task.pixel_count
            for tap in range(count):
                source = (image * task.from_image + sources[tap, pixel]) * channels
                rows[tap] = behind(task.x, source, zero) if sources[tap, pixel] >= 0 else zeros.ctypes.data
            to = behind(task.y, (image * task.to_image + pixels[pixel]) * channels, zero)
            for v in range(0, channels, LANES):
                if count == 16:
                    _sum_of_16(rows.ctypes.data, factors.ctypes.data, v, to, zero)
                elif count == 4:
                    _sum_of_4(rows.ctypes.data, factors.ctypes.data, v, to, zero)
                else:
                    for tap in range(count):
                        _sum_of_1(rows[tap:].ctypes.data, factors[tap:].ctypes.data, v, to, zero)
        first = take(address) * STRIP
