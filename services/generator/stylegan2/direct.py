"""Direct 3x3 convolutions, and their kernels' gradients, as products of rows of pixels that lie anywhere, on a CPU.

For each tap a table says which row of channels of the input a pixel of the output sees (Dukhan 2019, "The Indirect
Convolution Algorithm", arXiv:1907.02129). So one loop halves the resolution, another run of it doubles it, and nothing
is laid side by side beforehand. The products of a pixel's taps are added in the order of the taps.

High resolutions are (N, C, 2H + 1, 2W + 1), low ones (N, C, H, W), all in channels-last layout; a low pixel (i, j) sees
the high one (2i + r, 2j + s) through the tap (r, s).
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numba import njit
from torch import Tensor

from services.generator.stylegan2 import kernels
from services.generator.stylegan2.compiled import OPTIONS, fields, numbers, run, take
from services.generator.stylegan2.gate import PANEL
from services.generator.stylegan2.matrices import TAPS
from services.generator.stylegan2.products import ROWS, TOGETHER, VECTORS, WIDTH, multiply_listed, rows_added, rows_anew
from services.generator.stylegan2.seen import Seen, addresses, doubling, halving, neighbours
from services.generator.stylegan2.vectors import LANES, behind, move

STRIP = 128  # pixels that a thread takes through all taps


def near(x: Tensor, weight: Tensor, *, turned: bool = False) -> Tensor:
    """Correlate with a 3x3 kernel, zeros around: (N, I, H, W), (O, I, 3, 3) to (N, O, H, W); turned, the transpose."""
    panels = kernels.taps(weight, turned=turned)
    return _correlate(x, panels, neighbours(*x.shape[2:]), x.shape[2], x.shape[3])


def halve(x: Tensor, weight: Tensor) -> Tensor:
    """Correlate at every second pixel: (N, I, 2H + 1, 2W + 1) and (O, I, 3, 3) to (N, O, H, W)."""
    height, width = x.shape[2] // 2, x.shape[3] // 2
    return _correlate(x, kernels.taps(weight), halving(height, width), height, width)


def double(y: Tensor, weight: Tensor) -> Tensor:
    """The transpose of `halve`: (N, O, H, W) and (O, I, 3, 3) to (N, I, 2H + 1, 2W + 1)."""
    height, width = y.shape[2:]
    panels = kernels.taps(weight.transpose(0, 1))
    return _correlate(y, panels, doubling(height, width), 2 * height + 1, 2 * width + 1)


def halve_gradient(x: Tensor, y: Tensor, *, turned: bool = False) -> Tensor:
    """The gradient of `halve`'s kernel: sum over the low resolution's pixels of y beside what they see of x.

    Args:
        turned: it lies in memory as the gradient of a kernel (I, O, 3, 3) does, whose channels have changed places.
    """
    return _gradient(x, y, halving(*y.shape[2:])[0], turned)


def _correlate(x: Tensor, panels: Tensor, seen: Sequence[Seen], height: int, width: int) -> Tensor:
    """Activations (N, I, H', W') and a kernel's `taps` (9, O / 32, I, 32) to (N, O, H, W)."""
    x = x.contiguous(memory_format=torch.channels_last)
    n, inputs = x.shape[:2]
    outputs = panels.shape[1] * PANEL
    y = torch.empty((n, outputs, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    given = {"x": x.data_ptr(), "y": y.data_ptr(), "panels": panels.data_ptr(), "inputs": inputs, "outputs": outputs}
    given |= {"from_image": x.shape[2] * x.shape[3], "to_image": height * width}
    for part in seen:
        pixels = n * len(part.pixels)
        strip = min(STRIP, math.ceil(pixels / torch.get_num_threads() / ROWS) * ROWS)
        run(_sum_taps, x.dtype, **given, **addresses(part), count=pixels, strip=strip)
    return y


def _gradient(x: Tensor, y: Tensor, seen: Seen, turned: bool) -> Tensor:
    x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, y))
    inputs, outputs = x.shape[1], y.shape[1]
    first, last = (inputs, outputs) if turned else (outputs, inputs)
    total = x.new_empty(first, TAPS, TAPS, last)  # as weights lie
    given = {"x": x.data_ptr(), "y": y.data_ptr(), "total": total.data_ptr(), "inputs": inputs, "outputs": outputs}
    given |= {"from_image": x.shape[2] * x.shape[3], "count": len(y) * len(seen.pixels), "turned": int(turned)}
    run(_sum_pixels, x.dtype, **given, **addresses(seen))
    return total.permute(3, 0, 1, 2) if turned else total.permute(0, 3, 1, 2)


def _sum_taps(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, inputs, outputs, strip = task.zero, task.inputs, task.outputs, task.strip
    taps, pixels = numbers(task.taps, (task.tap_count,), 0), numbers(task.pixels, (task.pixel_count,), 0)
    sources = numbers(task.sources, (task.tap_count, task.pixel_count), 0)
    lefts, results = np.empty((task.tap_count, strip), np.int64), np.empty(strip, np.int64)
    zeros, nowhere = np.full(inputs, zero), np.full(outputs, zero)
    first = take(address) * strip
    while first < task.count:
        rows = (min(strip, task.count - first) + ROWS - 1) // ROWS * ROWS
        for row in range(rows):
            image, pixel = (first + row) // task.pixel_count, (first + row) % task.pixel_count
            there = first + row < task.count
            to = image * task.to_image + pixels[pixel]
            results[row] = behind(task.y, to * outputs, zero) if there else nowhere.ctypes.data
            for tap in range(task.tap_count):
                source = sources[tap, pixel]
                at = behind(task.x, (image * task.from_image + source) * inputs, zero)
                lefts[tap, row] = at if there and source >= 0 else zeros.ctypes.data
        for column in range(0, outputs, WIDTH):
            for tap in range(task.tap_count):
                panel = taps[tap] * (outputs // PANEL) + column // PANEL
                right = behind(task.panels, panel * inputs * PANEL + column % PANEL, zero)
                left, result = lefts[tap].ctypes.data, results.ctypes.data
                multiply_listed(left, rows, inputs, right, result, column, tap == 0, zero)
        first = take(address) * strip


def _sum_pixels(address):  # type: ignore[no-untyped-def]
    """A thread sums WIDTH inputs of a row of taps at a time, over some hundred pixels after the other."""
    task = fields(address)
    zero, inputs, outputs = task.zero, task.inputs, task.outputs
    sources, none = numbers(task.sources, (TAPS**2, task.pixel_count), 0), np.full(WIDTH, zero)
    left, right = np.full(outputs * TOGETHER, zero), np.full(TOGETHER * WIDTH, zero)
    sums, total = np.full((TAPS, outputs, WIDTH), zero), numbers(task.total, (outputs, TAPS**2, inputs), zero)
    across = numbers(task.total, (inputs, TAPS**2, outputs), zero)
    k = take(address)
    while k < TAPS * (inputs // WIDTH):
        row_of_taps, column = k % TAPS * TAPS, k // TAPS * WIDTH
        for first in range(0, task.count, TOGETHER):
            count = min(TOGETHER, task.count - first)
            _lay(behind(task.y, first * outputs, zero), count, outputs, left.ctypes.data, zero)
            for tap in range(TAPS):
                _see(task, sources[row_of_taps + tap], column, first, count, none.ctypes.data, right.ctypes.data)
                for output in range(0, outputs, ROWS):
                    a = behind(left.ctypes.data, output // LANES * LANES * count + output % LANES, zero)
                    b, c = right.ctypes.data, behind(sums.ctypes.data, (tap * outputs + output) * WIDTH, zero)
                    if first == 0:
                        rows_anew(a, 1, LANES, b, WIDTH, LANES, c, WIDTH, count, zero)
                    else:
                        rows_added(a, 1, LANES, b, WIDTH, LANES, c, WIDTH, count, zero)
        for tap in range(TAPS):
            if task.turned:
                for c in range(WIDTH):
                    across[column + c, row_of_taps + tap] = sums[tap, :, c]
            else:
                total[:, row_of_taps + tap, column : column + WIDTH] = sums[tap]
        k = take(address)


@njit(**OPTIONS)
def _lay(y, count, outputs, left, zero):  # type: ignore[no-untyped-def]
    """Rows (P, O) to (O / LANES, P, LANES), as the sums read them, one after the other."""
    for row in range(count):
        for v in range(outputs // LANES):
            move(behind(y, row * outputs + v * LANES, zero), behind(left, (v * count + row) * LANES, zero), zero)


@njit(**OPTIONS)
def _see(task, sources, column, first, count, none, right):  # type: ignore[no-untyped-def]
    """WIDTH channels of what some pixels see through a tap, to (P, WIDTH)."""
    image, pixel = first // task.pixel_count, first % task.pixel_count
    for row in range(count):
        seen = (image * task.from_image + sources[pixel]) * task.inputs + column
        start = behind(task.x, seen, task.zero) if sources[pixel] >= 0 else none
        for v in range(VECTORS):
            target = behind(right, row * WIDTH + v * LANES, task.zero)
            move(behind(start, v * LANES, task.zero), target, task.zero)
        pixel += 1
        if pixel == task.pixel_count:
            image, pixel = image + 1, 0
