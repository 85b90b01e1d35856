"""3x3 kernels to the places of Winograd's algorithm, and to the taps of a direct sum.

At each place or tap a kernel is a matrix, in panels of 32 output channels that lie side by side: (O / 32, I, 32), as
`products.multiply` takes it. The 36 places are in six tensors, for what is larger than 32 MiB the C library gives back
to the system, and takes anew page by page.
"""

import ctypes

import numpy as np
from numba import njit
from torch import Tensor

from services.generator.stylegan2.compiled import OPTIONS, fields, numbers, run, take
from services.generator.stylegan2.gate import PANEL
from services.generator.stylegan2.matrices import POINTS, TAPS, Places
from services.generator.stylegan2.products import drain
from services.generator.stylegan2.sums import kernel_sums
from services.generator.stylegan2.vectors import LANES, behind, transform

PIECE = 64  # input channels of a panel that are transformed by one thread

_to_places = transform(kernel_sums, TAPS, streamed=True, target_table=True)


def addresses(places: Places) -> ctypes.Array[ctypes.c_int64]:
    """For a task's field: ctypes.addressof them."""
    return (ctypes.c_int64 * POINTS)(*(part.data_ptr() for part in places))


def transformed(weight: Tensor, *, turned: bool = False) -> Places:
    """G g G^T: (O, I, 3, 3) -> six of (6, O / 32, I, 32); turned, of the kernel that carries gradients back."""
    outputs, inputs = weight.shape[:2] if not turned else (weight.shape[1], weight.shape[0])
    places = [weight.new_empty(POINTS, outputs // PANEL, inputs, PANEL) for _ in range(POINTS)]
    at = addresses(places)
    run(_transform, weight.dtype, places=ctypes.addressof(at), **_lying(weight, turned))
    return places


def taps(weight: Tensor, *, turned: bool = False) -> Tensor:
    """(O, I, 3, 3) -> (9, O / 32, I, 32); turned, of the kernel that carries gradients back."""
    outputs, inputs = weight.shape[:2] if not turned else (weight.shape[1], weight.shape[0])
    panels = weight.new_empty(TAPS**2, outputs // PANEL, inputs, PANEL)
    run(_panels, weight.dtype, panels=panels.data_ptr(), **_lying(weight, turned))
    return panels


def _lying(weight: Tensor, turned: bool) -> dict[str, int]:
    """Where a kernel lies, and how; turned, outputs and inputs change places, and the last tap is the first."""
    lying = weight.transpose(0, 1) if turned else weight
    names = ("by_output", "by_input", "by_row", "by_column")
    sizes = {"outputs": lying.shape[0], "inputs": lying.shape[1], "last_tap": TAPS**2 - 1 if turned else 0}
    return {"weight": lying.data_ptr(), **sizes, **dict(zip(names, lying.stride(), strict=True))}


@njit(**OPTIONS)
def _weight(task):  # type: ignore[no-untyped-def]
    """All its numbers, flat."""
    last = (task.outputs - 1) * task.by_output + (task.inputs - 1) * task.by_input
    return numbers(task.weight, (last + (TAPS - 1) * (task.by_row + task.by_column) + 1,), task.zero)


@njit(**OPTIONS)
def _fill(task, weight, tap, panel, first, some):  # type: ignore[no-untyped-def]
    """Read a tap of some input channels of a panel, from the first on: (some, 32)."""
    start, at = panel * PANEL * task.by_output + first * task.by_input, abs(task.last_tap - tap)
    from_here = weight[start + at // TAPS * task.by_row + at % TAPS * task.by_column :]
    for k in range(len(some)):
        for lane in range(PANEL):
            some[k, lane] = from_here[lane * task.by_output + k * task.by_input]


def _transform(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    panels, six, weight = task.outputs // PANEL, numbers(task.places, (POINTS,), 0), _weight(task)
    near, to = np.full((TAPS**2, PIECE, PANEL), task.zero), np.empty(POINTS**2, np.int64)
    parts = (task.inputs + PIECE - 1) // PIECE
    k = take(address)
    while k < panels * parts:
        panel, first = k // parts, k % parts * PIECE
        count = min(PIECE, task.inputs - first)
        for tap in range(TAPS**2):
            _fill(task, weight, tap, panel, first, near[tap, :count])
        for place in range(POINTS**2):
            start = (place % POINTS * panels + panel) * task.inputs + first
            to[place] = behind(six[place // POINTS], start * PANEL, task.zero)
        for lane in range(0, count * PANEL, LANES):
            _to_places(near.ctypes.data, PIECE * PANEL, lane, to.ctypes.data, 0, lane, task.zero)
        k = take(address)
    drain()


def _panels(address):  # type: ignore[no-untyped-def]
    task = fields(address)
    panels, weight = task.outputs // PANEL, _weight(task)
    done = numbers(task.panels, (TAPS**2, panels, task.inputs, PANEL), task.zero)
    parts = (task.inputs + PIECE - 1) // PIECE
    k = take(address)
    while k < TAPS**2 * panels * parts:
        tap, panel, first = k // parts // panels, k // parts % panels, k % parts * PIECE
        _fill(task, weight, tap, panel, first, done[tap, panel, first : first + PIECE])
        k = take(address)
