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
from torch import Tensor

from services.generator.stylegan2 import kernels
from services.generator.stylegan2.compiled import fields, numbers, pointer, run, take, thread
from services.generator.stylegan2.gate import PANEL
from services.generator.stylegan2.kernels import addresses
from services.generator.stylegan2.matrices import PIXELS, PLACES, POINTS, Places
from services.generator.stylegan2.products import ROWS, TOGETHER, WIDTH, copy, multiply, sum_rows
from services.generator.stylegan2.tiles import gather, gather_gradient, room, scatter

STRIP = 32  # tiles that a thread takes through all three steps while they are in its cache
BLOCK = 2**17  # channels of tiles, of both sides, that a kernel's gradient is summed over at once: 18 MiB


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
    strip = min(STRIP, math.ceil(n * height * width / PIXELS / threads / ROWS) * ROWS)  # something for each thread
    places = x.new_empty(threads * PLACES * strip * (inputs + outputs))
    at = addresses(kernel)
    sizes = {"images": n, "height": height, "width": width, "inputs": inputs, "outputs": outputs, "strip": strip}
    given = {"x": x.data_ptr(), "y": y.data_ptr(), "places": places.data_ptr(), "kernel": ctypes.addressof(at)}
    run(_convolve, x.dtype, **given, **sizes)
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
    places, gradients = x.new_empty(PLACES, most, inputs), x.new_empty(PLACES, most, outputs)
    total = [x.new_empty(POINTS, outputs, inputs) for _ in range(POINTS)]
    at = addresses(total)
    sizes = {"images": n, "height": height, "width": width, "inputs": inputs, "outputs": outputs, "strip": STRIP}
    given = {"x": x.data_ptr(), "y": gradient.data_ptr(), "places": places.data_ptr()}
    given |= {"gradients": gradients.data_ptr(), "total": ctypes.addressof(at)}
    for first in range(0, tiles, most):
        part = {"first": first, "count": min(most, tiles - first)}
        run(_gather, x.dtype, **given, **sizes, **part)
        run(_sum, x.dtype, **given, **sizes, **part)
    return kernels.gradient(total)


def _convolve(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, inputs, outputs, strip = task.zero, task.inputs, task.outputs, task.strip
    x = numbers(task.x, (task.images, task.height, task.width * inputs), zero)
    y = numbers(task.y, (task.images, task.height, task.width * outputs), zero)
    kernel = numbers(task.kernel, (POINTS,), 0)
    own = numbers(task.places, (thread() + 1, PLACES * strip * (inputs + outputs)), zero)[thread()]
    down, up = room(task.width * inputs, inputs, zero), room(task.width * outputs, outputs, zero)
    tiles = task.images * task.height * task.width // PIXELS
    first = take(address) * strip
    while first < tiles:
        count = min(strip, tiles - first)
        before = own[: PLACES * count * inputs].reshape(PLACES, count, inputs)
        after = own[PLACES * count * inputs : PLACES * count * (inputs + outputs)].reshape(PLACES, count, outputs)
        gather(x, inputs, first, count, down, before.reshape(PLACES, count * inputs))
        for place in range(PLACES):
            right = numbers(kernel[place // POINTS], (POINTS, inputs * outputs), zero)[place % POINTS]
            multiply(before[place], right, after[place])
        scatter(after.reshape(PLACES, count * outputs), outputs, first, count, up, y)
        first = take(address) * strip


def _gather(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, inputs, outputs = task.zero, task.inputs, task.outputs
    x = numbers(task.x, (task.images, task.height, task.width * inputs), zero)
    y = numbers(task.y, (task.images, task.height, task.width * outputs), zero)
    places = numbers(task.places, (PLACES, task.count * inputs), zero)
    gradients = numbers(task.gradients, (PLACES, task.count * outputs), zero)
    down, up = room(task.width * inputs, inputs, zero), room(task.width * outputs, outputs, zero)
    at = take(address) * task.strip
    while at < task.count:
        some = min(task.strip, task.count - at)
        gather(x, inputs, task.first + at, some, down, places[:, at * inputs :])
        gather_gradient(y, outputs, task.first + at, some, up, gradients[:, at * outputs :])
        at = take(address) * task.strip


def _sum(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    zero, count, inputs, outputs = task.zero, task.count, task.inputs, task.outputs
    gradients = numbers(task.gradients, (PLACES, count, outputs), zero)
    total = numbers(task.total, (POINTS,), 0)
    near = np.full((TOGETHER, WIDTH), zero)
    panels = inputs // WIDTH
    k = take(address)
    while k < PLACES * panels:
        place, column = k // panels, k % panels * WIDTH
        result = numbers(total[place // POINTS], (POINTS, outputs, inputs), zero)[place % POINTS]
        for first in range(0, count, TOGETHER):
            last = min(first + TOGETHER, count)
            for tile in range(first, last):
                x = pointer(task.places, (place * count + tile) * inputs + column, zero)
                copy(x, pointer(near.ctypes.data, (tile - first) * WIDTH, zero))
            sum_rows(gradients[place, first:last], near, column, result, task.first + first == 0)
        k = take(address)
