"""3x3 kernels to and from the places of Winograd's algorithm.

At each of the 36 places a kernel is a matrix, in panels of 32 output channels that lie side by side: (O / 32, I, 32),
as `products.multiply` takes it. Six tensors hold six places each, for what is larger than 32 MiB the C library gives
back to the system, and takes anew page by page.
"""

import ctypes

import numpy as np
from torch import Tensor

from services.generator.stylegan2.compiled import fields, numbers, pointer, run, take
from services.generator.stylegan2.gate import PANEL
from services.generator.stylegan2.matrices import POINTS, TAPS, Places
from services.generator.stylegan2.products import WIDTH, drain, stream
from services.generator.stylegan2.sums import kernel_gradient_sums, kernel_sums

PIECE = 64  # input channels of a panel that are transformed by one thread


def addresses(places: Places) -> ctypes.Array[ctypes.c_int64]:
    """For a task's field: ctypes.addressof them."""
    return (ctypes.c_int64 * POINTS)(*(part.data_ptr() for part in places))


def transformed(weight: Tensor) -> Places:
    """G g G^T: (O, I, 3, 3) -> six of (6, O / 32, I, 32)."""
    outputs, inputs = weight.shape[:2]
    places = [weight.new_empty(POINTS, outputs // PANEL, inputs, PANEL) for _ in range(POINTS)]
    at = addresses(places)
    names = ("by_output", "by_input", "by_row", "by_column")
    strides = dict(zip(names, weight.stride(), strict=True))
    sizes = {"outputs": outputs, "inputs": inputs}
    run(_transform, weight.dtype, weight=weight.data_ptr(), places=ctypes.addressof(at), **sizes, **strides)
    return places


def gradient(places: Places) -> Tensor:
    """G^T m G, the transpose: six of (6, O, I) -> (O, I, 3, 3)."""
    outputs, inputs = places[0].shape[1:]
    weight = places[0].new_empty(TAPS, TAPS, outputs, inputs)
    at = addresses(places)
    sizes = {"outputs": outputs, "inputs": inputs}
    run(_gradient, weight.dtype, weight=weight.data_ptr(), places=ctypes.addressof(at), **sizes)
    return weight.permute(2, 3, 0, 1)


def _transform(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    panels, six = task.outputs // PANEL, numbers(task.places, (POINTS,), 0)
    last = (task.outputs - 1) * task.by_output + (task.inputs - 1) * task.by_input
    weight = numbers(task.weight, (last + (TAPS - 1) * (task.by_row + task.by_column) + 1,), task.zero)
    taps, half = np.full((TAPS**2, PANEL), task.zero), np.full((POINTS, TAPS, PANEL), task.zero)
    done = np.full((POINTS, PANEL), task.zero)
    total, first = panels * task.inputs, take(address) * PIECE
    while first < total:
        for k in range(first, min(first + PIECE, total)):
            at = k // task.inputs * PANEL * task.by_output + k % task.inputs * task.by_input
            for tap in range(TAPS**2):
                from_here = weight[at + tap // TAPS * task.by_row + tap % TAPS * task.by_column :]
                for lane in range(PANEL):
                    taps[tap, lane] = from_here[lane * task.by_output]
            for s in range(TAPS):
                kernel_sums(
                    taps[s], taps[TAPS + s], taps[2 * TAPS + s],
                    half[0, s], half[1, s], half[2, s], half[3, s], half[4, s], half[5, s],
                )  # fmt: skip
            for i in range(POINTS):
                kernel_sums(half[i, 0], half[i, 1], half[i, 2], done[0], done[1], done[2], done[3], done[4], done[5])
                for j in range(POINTS):  # what is read is in the caches, and not driven out by what is written
                    for lane in range(0, PANEL, WIDTH):
                        place = pointer(six[i], (j * panels * task.inputs + k) * PANEL + lane, task.zero)
                        stream(pointer(done.ctypes.data, j * PANEL + lane, task.zero), place)
        first = take(address) * PIECE
    drain()


def _gradient(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    n, six = task.inputs, numbers(task.places, (POINTS,), 0)
    weight = numbers(task.weight, (TAPS, TAPS, task.outputs, n), task.zero)
    half = np.full((POINTS, TAPS, n), task.zero)
    k = take(address)
    while k < task.outputs:
        for i in range(POINTS):
            p = numbers(six[i], (POINTS, task.outputs, n), task.zero)[:, k]
            kernel_gradient_sums(p[0], p[1], p[2], p[3], p[4], p[5], half[i, 0], half[i, 1], half[i, 2])
        for s in range(TAPS):
            kernel_gradient_sums(
                half[0, s], half[1, s], half[2, s], half[3, s], half[4, s], half[5, s],
                weight[0, s, k], weight[1, s, k], weight[2, s, k],
            )  # fmt: skip
        k = take(address)
