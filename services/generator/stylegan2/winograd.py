"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering F(4x4, 3x3), on a CPU.

Reference: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (arXiv:1509.09308), section 4.3.

An output tile of 4x4 pixels depends on 6x6 input pixels. With the matrices B, G, A of the paper it is
A^T [(G g G^T) * (B^T d B)] A: the product in the middle is one small matrix product over the channels for each of the
36 places, so nine multiplications a pixel become 36 / 16. A thread takes some tiles through all three steps while they
lie in its cache. In fp32 the result is off by some 1e-5 of its size, a little more than the direct sum's own rounding.

Activations are (N, C, H, W) in channels-last layout, H and W multiples of 4, with one pixel of zeros around.
"""

import ctypes
import math

import numpy as np
import torch
from numba import njit
from torch import Tensor

from services.generator.stylegan2.compiled import OPTIONS, fields, numbers, run, take, thread
from services.generator.stylegan2.gate import PANEL
from services.generator.stylegan2.kernels import addresses
from services.generator.stylegan2.matrices import PIXELS, PLACES, POINTS, TAPS, Places
from services.generator.stylegan2.products import ROWS, TOGETHER, VECTORS, WIDTH, multiply, rows_added, rows_anew
from services.generator.stylegan2.sums import kernel_gradient_sums
from services.generator.stylegan2.tiles import gather, gather_gradient, scatter, table
from services.generator.stylegan2.vectors import LANES, behind, transform

STRIP = 32  # tiles that a thread takes through all three steps while they are in its cache
WIDE_STRIP = 64  # the same, of a kernel that does not stay there: what is read of it serves more tiles
WIDE = 128 * 128  # channels of both sides, by each other, from which a kernel does not
BLOCK = 2**15  # channels of tiles, of both sides, that a kernel's gradient is summed over at once: 4.5 MiB
OUTPUTS = 64  # of a kernel's gradient, that a thread sums at all places while they are in its cache
PAGE = 1024  # numbers: what lies a multiple of them apart falls into the same few lines of the nearest cache

_to_taps = transform(kernel_gradient_sums, POINTS, target_table=True)
_add_to_taps = transform(kernel_gradient_sums, POINTS, target_table=True, added=True)


def convolve(x: Tensor, kernel: Places) -> Tensor:
    """Correlate with 3x3 kernels, as conv2d does with padding 1.

    Shapes:
        x: (N, I, H, W); kernel: of `kernels.transformed`; returns (N, O, H, W)
    """
    x = x.contiguous(memory_format=torch.channels_last)
    n, inputs, height, width = x.shape
    outputs = kernel[0].shape[1] * PANEL
    y = torch.empty((n, outputs, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    most = WIDE_STRIP if inputs * outputs > WIDE else STRIP
    strip = min(most, math.ceil(n * height * width / PIXELS / threads / ROWS) * ROWS)  # something for each thread
    step_in, step_out = _apart(strip * inputs), _apart(strip * outputs)
    places = x.new_empty(threads * PLACES * (step_in + step_out))
    at = addresses(kernel)
    sizes = {"images": n, "height": height, "width": width, "inputs": inputs, "outputs": outputs}
    given = {"x": x.data_ptr(), "y": y.data_ptr(), "places": places.data_ptr(), "kernel": ctypes.addressof(at)}
    run(_convolve, x.dtype, **given, **sizes, strip=strip, step_in=step_in, step_out=step_out)
    return y


def correlate(x: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of a 3x3 kernel: sum over all pixels of activations beside what came out.

    Shapes:
        x: (N, I, H, W); gradient: (N, O, H, W); returns (O, I, 3, 3)
    """
    x, gradient = (t.contiguous(memory_format=torch.channels_last) for t in (x, gradient))
    n, inputs, height, width = x.shape
    outputs = gradient.shape[1]
    tiles = n * height * width // PIXELS
    most = min(tiles, max(TOGETHER, BLOCK // (inputs + outputs)))
    step_in, step_out = _apart(most * inputs), _apart(most * outputs)
    places, gradients = x.new_empty(PLACES * step_in), x.new_empty(PLACES * step_out)
    total = x.new_empty(outputs, TAPS, TAPS, inputs)  # as weights lie, so that nobody has to turn it around
    sizes = {"images": n, "height": height, "width": width, "inputs": inputs, "outputs": outputs, "strip": STRIP}
    given = {"x": x.data_ptr(), "y": gradient.data_ptr(), "places": places.data_ptr()}
    given |= {"gradients": gradients.data_ptr(), "total": total.data_ptr(), "step_in": step_in, "step_out": step_out}
    for first in range(0, tiles, most):
        part = {"first": first, "count": min(most, tiles - first)}
        run(_gather, x.dtype, **given, **sizes, **part)
        run(_sum, x.dtype, **given, **sizes, **part)
    return total.permute(0, 3, 1, 2)


def _apart(count: int) -> int:
    """How far one place lies from the next, for so many numbers: not a multiple of a page, see `PAGE`."""
    return math.ceil(count / PAGE) * PAGE + PANEL


def _convolve(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, inputs, outputs, strip = task.zero, task.inputs, task.outputs, task.strip
    kernel, pixels, zeros = numbers(task.kernel, (POINTS,), 0), table(), np.full(inputs, zero)
    size_in, size_out = (task.height, task.width, inputs), (task.height, task.width, outputs)
    before = behind(task.places, thread() * PLACES * (task.step_in + task.step_out), zero)
    after = behind(before, PLACES * task.step_in, zero)
    steps_in, steps_out = (task.step_in, inputs, LANES), (task.step_out, outputs, LANES)
    tiles = task.images * task.height * task.width // PIXELS
    first = take(address) * strip
    while first < tiles:
        count = min(strip, tiles - first)
        for tile in range(count):
            gather(task.x, size_in, zeros.ctypes.data, first + tile, pixels, before, steps_in, tile, zero)
        for place in range(PLACES):
            right = behind(kernel[place // POINTS], place % POINTS * inputs * outputs, zero)
            left, result = behind(before, place * task.step_in, zero), behind(after, place * task.step_out, zero)
            multiply(left, count, inputs, right, result, outputs, zero)
        for tile in range(count):
            scatter(after, steps_out, tile, first + tile, pixels, task.y, size_out, zero)
        first = take(address) * strip


def _gather(address):  # type: ignore[no-untyped-def]
    """To (36, I / LANES, T, LANES), and so the gradients: as `_sum` reads them, one after the other."""
    task = fields(address)
    zero, inputs, outputs = task.zero, task.inputs, task.outputs
    pixels, zeros = table(), np.full(inputs, zero)
    size_in, size_out = (task.height, task.width, inputs), (task.height, task.width, outputs)
    steps_in, steps_out = (task.step_in, LANES, task.count * LANES), (task.step_out, LANES, task.count * LANES)
    at = take(address) * task.strip
    while at < task.count:
        for here in range(at, min(at + task.strip, task.count)):
            tile = task.first + here
            gather(task.x, size_in, zeros.ctypes.data, tile, pixels, task.places, steps_in, here, zero)
            gather_gradient(task.y, size_out, tile, pixels, task.gradients, steps_out, here, zero)
        at = take(address) * task.strip


def _sum(address):  # type: ignore[no-untyped-def]
    """The sums at all places of some outputs by WIDTH inputs, and their way back to the taps, in a thread's cache."""
    task = fields(address)
    zero, inputs, outputs = task.zero, task.inputs, task.outputs
    room, to = np.empty(PLACES * OUTPUTS * WIDTH, np.float64), np.empty(TAPS**2, np.int64)
    parts = (outputs + OUTPUTS - 1) // OUTPUTS
    k = take(address)
    while k < inputs // WIDTH * parts:
        sums = room.ctypes.data  # here, not above: Numba frees an array behind its last use, and an address is none
        column, output = k // parts * WIDTH, k % parts * OUTPUTS
        some = min(OUTPUTS, outputs - output)
        for place in range(PLACES):
            _sum_place(task, place, column, output, some, behind(sums, place * OUTPUTS * WIDTH, zero))
        for row in range(some):
            for tap in range(TAPS**2):
                to[tap] = behind(task.total, ((output + row) * TAPS**2 + tap) * inputs + column, zero)
            for v in range(VECTORS):
                at = row * WIDTH + v * LANES
                if task.first == 0:
                    _to_taps(sums, OUTPUTS * WIDTH, at, to.ctypes.data, 0, v * LANES, zero)
                else:
                    _add_to_taps(sums, OUTPUTS * WIDTH, at, to.ctypes.data, 0, v * LANES, zero)
        k = take(address)


@njit(**OPTIONS)
def _sum_place(task, place, column, output, some, sums):  # type: ignore[no-untyped-def]
    """At one place, over all tiles: some outputs by WIDTH inputs, to (some, WIDTH)."""
    zero, count = task.zero, task.count
    for first in range(0, count, TOGETHER):
        length = min(TOGETHER, count - first)
        right = behind(task.places, place * task.step_in + column * count + first * LANES, zero)
        for row in range(0, some, ROWS):
            at = (
                place * task.step_out + (output + row) // LANES * LANES * count + first * LANES + (output + row) % LANES
            )
            left, result = behind(task.gradients, at, zero), behind(sums, row * WIDTH, zero)
            if first == 0:
                rows_anew(left, 1, LANES, right, LANES, count * LANES, result, WIDTH, length, zero)
            else:
                rows_added(left, 1, LANES, right, LANES, count * LANES, result, WIDTH, length, zero)
