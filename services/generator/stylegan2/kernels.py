"""3x3 kernels to and from the places of Winograd's algorithm.

At each of the 36 places a kernel is a matrix, in panels of 32 output channels that lie side by side: (O / 32, I, 32),
as `products.multiply` takes it. Six tensors hold six places each, for what is larger than 32 MiB the C library gives
back to the system, and takes anew page by page.
"""

import ctypes
from collections.abc import Sequence

import numpy as np
from numba import njit
from torch import Tensor

from services.generator.stylegan2.compiled import OPTIONS, fields, numbers, pointer, run, take
from services.generator.stylegan2.products import PANEL, WIDTH, drain, stream

TWO, FOUR, SIX = np.float32(2), np.float32(4), np.float32(6)  # of a type that widens nothing
PIECE = 64  # input channels of a panel that are transformed by one thread
Places = Sequence[Tensor]  # six, of six places each


def addresses(places: Places) -> ctypes.Array[ctypes.c_int64]:
    """For a task's field: ctypes.addressof them."""
    return (ctypes.c_int64 * 6)(*(part.data_ptr() for part in places))


def transformed(weight: Tensor) -> Places:
    """G g G^T: (O, I, 3, 3) -> six of (6, O / 32, I, 32)."""
    outputs, inputs = weight.shape[:2]
    places = [weight.new_empty(6, outputs // PANEL, inputs, PANEL) for _ in range(6)]
    at = addresses(places)
    names = ("by_output", "by_input", "by_row", "by_column")
    strides = dict(zip(names, weight.stride(), strict=True))
    sizes = {"outputs": outputs, "inputs": inputs}
    run(_transform, weight.dtype, weight=weight.data_ptr(), places=ctypes.addressof(at), **sizes, **strides)
    return places


def gradient(places: Places) -> Tensor:
    """G^T m G, the transpose: six of (6, O, I) -> (O, I, 3, 3)."""
    outputs, inputs = places[0].shape[1:]
    weight = places[0].new_empty(3, 3, outputs, inputs)
    at = addresses(places)
    sizes = {"outputs": outputs, "inputs": inputs}
    run(_gradient, weight.dtype, weight=weight.data_ptr(), places=ctypes.addressof(at), **sizes)
    return weight.permute(2, 3, 0, 1)


@njit(**OPTIONS)
def _sums(g0, g1, g2, o0, o1, o2, o3, o4, o5):  # type: ignore[no-untyped-def]
    """G along one axis: three taps to six places."""
    for k in range(PANEL):
        near, odd = (g0[k] + g2[k]) / SIX, g1[k] / SIX
        far = (g0[k] / FOUR + g2[k]) / SIX
        o0[k] = g0[k] / FOUR
        o1[k] = -near - odd
        o2[k] = odd - near
        o3[k] = far + odd / TWO
        o4[k] = far - odd / TWO
        o5[k] = g2[k]


@njit(**OPTIONS)
def _gradient_sums(m0, m1, m2, m3, m4, m5, o0, o1, o2):  # type: ignore[no-untyped-def]
    """G^T along one axis: six places to three taps."""
    for k in range(len(o0)):
        near, far = (m1[k] + m2[k]) / SIX, (m3[k] + m4[k]) / SIX
        o0[k] = (m0[k] + far) / FOUR - near
        o1[k] = (m2[k] - m1[k]) / SIX + (m3[k] - m4[k]) / SIX / TWO
        o2[k] = far - near + m5[k]


def _transform(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    panels, six = task.outputs // PANEL, numbers(task.places, (6,), 0)
    last = (task.outputs - 1) * task.by_output + (task.inputs - 1) * task.by_input
    weight = numbers(task.weight, (last + 2 * (task.by_row + task.by_column) + 1,), task.zero)
    taps, half = np.full((9, PANEL), task.zero), np.full((6, 3, PANEL), task.zero)
    done = np.full((6, PANEL), task.zero)
    total, first = panels * task.inputs, take(address) * PIECE
    while first < total:
        for k in range(first, min(first + PIECE, total)):
            at = k // task.inputs * PANEL * task.by_output + k % task.inputs * task.by_input
            for tap in range(9):
                from_here = weight[at + tap // 3 * task.by_row + tap % 3 * task.by_column :]
                for lane in range(PANEL):
                    taps[tap, lane] = from_here[lane * task.by_output]
            for s in range(3):
                _sums(
                    taps[s], taps[3 + s], taps[6 + s],
                    half[0, s], half[1, s], half[2, s], half[3, s], half[4, s], half[5, s],
                )  # fmt: skip
            for i in range(6):
                _sums(half[i, 0], half[i, 1], half[i, 2], done[0], done[1], done[2], done[3], done[4], done[5])
                for j in range(6):  # what is read is in the caches, and not driven out by what is written
                    for lane in range(0, PANEL, WIDTH):
                        place = pointer(six[i], (j * panels * task.inputs + k) * PANEL + lane, task.zero)
                        stream(pointer(done.ctypes.data, j * PANEL + lane, task.zero), place)
        first = take(address) * PIECE
    drain()


def _gradient(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    n, six = task.inputs, numbers(task.places, (6,), 0)
    weight = numbers(task.weight, (3, 3, task.outputs, n), task.zero)
    half = np.full((6, 3, n), task.zero)
    k = take(address)
    while k < task.outputs:
        for i in range(6):
            p = numbers(six[i], (6, task.outputs, n), task.zero)[:, k]
            _gradient_sums(p[0], p[1], p[2], p[3], p[4], p[5], half[i, 0], half[i, 1], half[i, 2])
        for s in range(3):
            _gradient_sums(
                half[0, s], half[1, s], half[2, s], half[3, s], half[4, s], half[5, s],
                weight[0, s, k], weight[1, s, k], weight[2, s, k],
            )  # fmt: skip
        k = take(address)
