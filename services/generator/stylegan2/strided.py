"""The gradient of a 3x3 kernel between two resolutions, as products of matrices, on a CPU.

For each of the nine taps, what it sees of the high resolution is laid side by side, some hundred pixels at a time, and
multiplied: what is copied stays in a core's cache.

The high resolution is (N, I, 2H + 1, 2W + 1), the low one (N, O, H, W), both in channels-last layout; a low pixel
(i, j) sees the high one (2i + r, 2j + s) through the tap (r, s).
"""

import numpy as np
import torch
from torch import Tensor

from services.generator.stylegan2.compiled import fields, numbers, pointer, run, take
from services.generator.stylegan2.products import TOGETHER, WIDTH, copy, sum_rows


def kernel_gradient(x: Tensor, y: Tensor) -> Tensor:
    """Sum over the low resolution's pixels of y beside what they see of x: (O, I, 3, 3)."""
    x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, y))
    n, outputs, height, width = y.shape
    total = x.new_empty(3, 3, outputs, x.shape[1])
    sizes = {"images": n, "height": height, "width": width, "inputs": x.shape[1], "outputs": outputs}
    run(_kernel_gradient, x.dtype, x=x.data_ptr(), y=y.data_ptr(), total=total.data_ptr(), **sizes)
    return total.permute(2, 3, 0, 1)


def _kernel_gradient(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    height, width, inputs, pixels = task.height, task.width, task.inputs, task.images * task.height * task.width
    y = numbers(task.y, (pixels, task.outputs), task.zero)
    total = numbers(task.total, (9, task.outputs, inputs), task.zero)
    seen = np.full((TOGETHER, WIDTH), task.zero)
    panels = inputs // WIDTH
    k = take(address)
    while k < 9 * panels:
        tap, column = k // panels, k % panels * WIDTH
        for first in range(0, pixels, TOGETHER):
            last = min(first + TOGETHER, pixels)
            for pixel in range(first, last):
                row, j = pixel // width, pixel % width
                high = row // height * (2 * height + 1) + 2 * (row % height) + tap // 3
                x = pointer(task.x, (high * (2 * width + 1) + 2 * j + tap % 3) * inputs + column, task.zero)
                copy(x, pointer(seen.ctypes.data, (pixel - first) * WIDTH, task.zero))
            sum_rows(y[first:last], seen, column, total[tap], first == 0)
        k = take(address)
