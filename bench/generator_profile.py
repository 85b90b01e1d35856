"""Where the time of a training step goes: shares of convolutions, filters, transforms and passes, for each phase.

    python -m bench.generator_profile [--threads 2]

The step is that of `bench.generator` at a channel base of 4096. torch's profiler says how long each operation takes by
itself; its kind follows from its name, the shape of its kernel, and what it is a part of.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from bench.generator import PHASE_INTERVALS, WARM_UP, Work, our_phases
from bench.record import record
from defectory.memory import keep_freed_memory
from services.generator.stylegan2 import winograd
from services.generator.stylegan2.augment import Drawn

P, R = ParamSpec("P"), TypeVar("R")

WORK = Work("training step", 64, 4096, 16, 3)
COLUMNS = ("share of the time", "G", "path length", "D", "R1", "step")
CALLS = 2  # of each phase under the profiler

PRODUCTS = "convolutions, to activations"
KERNELS = "convolutions, to their kernels' gradients"
BOTH = "convolutions, to both gradients in one call"
TRANSFORMS = "Winograd's transforms"
FILTERS = "depthwise filters"
AUGMENTATION = "augmentation"
MATRICES = "other matrix products"
OPTIMISER = "optimiser"
PASSES = "element-wise passes, sums and copies"
KINDS = (PRODUCTS, KERNELS, BOTH, TRANSFORMS, FILTERS, AUGMENTATION, MATRICES, OPTIMISER, PASSES)

CONVOLUTIONS = ("aten::mkldnn_convolution", "aten::_convolution", "aten::convolution_backward")
MATRIX_PRODUCTS = ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm")


def main() -> None:
    """Measure the four phases and record the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    name_parts()
    phases = [seconds_by_kind(phase) for phase in our_phases(WORK)]
    step = {kind: sum(p[kind] / i for p, i in zip(phases, PHASE_INTERVALS, strict=True)) for kind in KINDS}
    columns = [*phases, step]
    rows = [[kind, *(f"{column[kind] / sum(column.values()):.0%}" for column in columns)] for kind in KINDS]
    notes = (
        f"fp32, {given.threads} threads, {WORK.name}. The step has the lazy phases by their share. Shares of this "
        "machine, and of the time with the profiler on."
    )
    record("Where a training step's time goes", "python -m bench.generator_profile", COLUMNS, rows, notes, ("torch",))


def name_parts() -> None:
    """Let the profiler see which operations belong to Winograd's algorithm and to augmentation."""
    for owner, name, kind in (
        (winograd, "convolve", PRODUCTS),
        (winograd, "correlate", KERNELS),
        (winograd, "transformed_kernel", TRANSFORMS),
        (Drawn, "apply", AUGMENTATION),
    ):
        setattr(owner, name, named(kind, getattr(owner, name)))


def named(kind: str, function: Callable[P, R]) -> Callable[P, R]:
    """The function, with its kind in the profile."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with record_function(kind):
            return function(*args, **kwargs)

    return call


def seconds_by_kind(phase: Callable[[], object]) -> dict[str, float]:
    """How long a phase takes, by kind of operation."""
    for _ in range(WARM_UP):
        phase()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as found:
        for _ in range(CALLS):
            phase()
    seconds = dict.fromkeys(KINDS, 0.0)
    for event in found.events():
        seconds[kind_of(event)] += event.self_cpu_time_total / 1e6 / CALLS
    return seconds


def kind_of(event: FunctionEvent) -> str:
    """What an operation is for."""
    parts = [event.name, *(parent.name for parent in parents(event))]
    if AUGMENTATION in parts or "grid_sampler" in event.name:
        return AUGMENTATION
    if event.name in CONVOLUTIONS:
        return kind_of_convolution(event, parts)
    if any(part in (PRODUCTS, KERNELS, TRANSFORMS) for part in parts):
        return TRANSFORMS  # all of Winograd's algorithm but its products
    if event.name in MATRIX_PRODUCTS:
        return MATRICES
    return OPTIMISER if "adam" in event.name.lower() else PASSES


def kind_of_convolution(event: FunctionEvent, parts: list[str]) -> str:
    """What a convolution computes, from the shape of its kernel and from which of its gradients are asked for."""
    backward = event.name == "aten::convolution_backward"
    shape = event.input_shapes[2 if backward else 1]
    if shape[1] == 1 and shape[0] > 1 and shape[2] > 1:
        return FILTERS
    if not backward:
        return PRODUCTS
    to_activations, to_kernel, _ = event.concrete_inputs[10]
    return BOTH if to_activations and to_kernel else KERNELS if to_kernel else PRODUCTS


def parents(event: FunctionEvent) -> Iterator[FunctionEvent]:
    """Operations that an operation is a part of, the nearest first."""
    while event.cpu_parent is not None:
        event = event.cpu_parent
        yield event


if __name__ == "__main__":
    main()
