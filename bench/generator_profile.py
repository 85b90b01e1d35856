"""Where the time of a training step goes: shares of convolutions, filters, transforms and passes, for each phase.

    python -m bench.generator_profile [--threads 2]

The step is that of `bench.generator` at a channel base of 4096. Each operation is timed by itself; its kind follows
from its name, its arguments, and what it is a part of.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.generator import PHASE_INTERVALS, WARM_UP, Work, our_phases
from bench.record import record
from defectory.memory import keep_freed_memory
from services.generator.stylegan2 import depthwise, direct, kernels, passes, winograd
from services.generator.stylegan2.augment import Drawn

P, R = ParamSpec("P"), TypeVar("R")

WORK = Work("training step", 64, 4096, 16, 3)
COLUMNS = ("share of the time", "G", "path length", "D", "R1", "step")
CALLS = 3  # of each phase under the clock

PRODUCTS = "convolutions, to activations"
KERNELS = "convolutions, to their kernels' gradients"
BOTH = "convolutions, to both gradients in one call"
TRANSFORMS = "Winograd's transforms of kernels"
FILTERS = "depthwise filters"
AUGMENTATION = "augmentation"
MATRICES = "other matrix products"
OPTIMISER = "optimiser"
PASSES = "element-wise passes, sums and copies"
KINDS = (PRODUCTS, KERNELS, BOTH, TRANSFORMS, FILTERS, AUGMENTATION, MATRICES, OPTIMISER, PASSES)

LOOPS = {
    "_convolve": PRODUCTS, "_sum_taps": PRODUCTS, "_gather": KERNELS, "_sum": KERNELS, "_sum_pixels": KERNELS,
    "_transform": TRANSFORMS, "_panels": TRANSFORMS, "_filter": FILTERS, "_activate": PASSES,
    "_activate_gradient": PASSES, "_activate_gradients": PASSES, "_modulate_gradient": PASSES, "_descend": OPTIMISER,
}  # fmt: skip
MATRIX_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")


def main() -> None:
    """Measure the four phases and record the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    clock = Clock()
    clock.name_parts()
    phases = [seconds_by_kind(phase, clock) for phase in our_phases(WORK)]
    step = {kind: sum(p[kind] / i for p, i in zip(phases, PHASE_INTERVALS, strict=True)) for kind in KINDS}
    columns = [*phases, step]
    rows = [[kind, *(f"{column[kind] / sum(column.values()):.0%}" for column in columns)] for kind in KINDS]
    notes = (
        f"fp32, {given.threads} threads, {WORK.name}. The step has the lazy phases by their share. Shares of this "
        "machine."
    )
    record("Where a training step's time goes", "python -m bench.generator_profile", COLUMNS, rows, notes, ("torch",))


class Clock(TorchDispatchMode):
    """Times every operation, by kind. torch's profiler would keep so much beside that memory comes anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = dict.fromkeys(KINDS, 0.0)
        self.parts: list[str] = []  # what is being computed, the innermost last

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        start = time.perf_counter()
        result = operation(*args, **(kwargs or {}))
        self.seconds[self._kind(operation.overloadpacket.__name__, args)] += time.perf_counter() - start
        return result

    def name_parts(self) -> None:
        """Let it be known which loops there are, and what belongs to augmentation."""
        for module in (winograd, kernels, direct, depthwise, passes):
            module.run = self._timed(module.run)  # type: ignore[assignment]
        Drawn.apply = self._named(AUGMENTATION, Drawn.apply)

    def _timed(self, run: Callable[..., None]) -> Callable[..., None]:
        """Compiled loops are no operations of torch."""

        def call(loop: Callable[[Any], None], *args: Any, **fields: int) -> None:
            start = time.perf_counter()
            run(loop, *args, **fields)
            self.seconds[LOOPS[loop.__name__]] += time.perf_counter() - start

        return call

    def _named(self, kind: str, function: Callable[P, R]) -> Callable[P, R]:
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            self.parts.append(kind)
            try:
                return function(*args, **kwargs)
            finally:
                self.parts.pop()

        return call

    def _kind(self, name: str, args: tuple[Any, ...]) -> str:
        """What an operation is for."""
        if AUGMENTATION in self.parts or "grid_sampler" in name:
            return AUGMENTATION
        if name == "convolution":
            return FILTERS if args[8] > 1 else PRODUCTS
        if name == "convolution_backward":
            to_activations, to_kernel, _ = args[10]
            both = BOTH if to_activations and to_kernel else KERNELS if to_kernel else PRODUCTS
            return FILTERS if args[9] > 1 else both
        if name in MATRIX_PRODUCTS:
            return MATRICES
        return OPTIMISER if "foreach" in name else PASSES


def seconds_by_kind(phase: Callable[[], object], clock: Clock) -> dict[str, float]:
    """How long a phase takes, by kind of operation."""
    for _ in range(WARM_UP):
        phase()
    clock.seconds = dict.fromkeys(KINDS, 0.0)
    with clock:
        for _ in range(CALLS):
            phase()
    return {kind: seconds / CALLS for kind, seconds in clock.seconds.items()}


if __name__ == "__main__":
    main()
