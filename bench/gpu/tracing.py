"""What a GPU does within training steps: the share of the time it computes, and how often the host waits for it."""

import time
from collections.abc import Iterable

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from bench.gpu.works import Arithmetic, Work, wait

COLUMNS = ("training", "in", "device busy", "kernels a step", "waits of the host a step", "what it waits in")
STEPS = 16  # looked at, and before that to warm up: every phase has its share
SPAN = "training steps"
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def trace(work: Work, arithmetic: Arithmetic) -> list[str]:
    """A row of the table, of a GPU."""
    trainer = work.trainer(arithmetic, "cuda")

    def steps() -> None:
        for _ in range(STEPS):
            trainer.train_step()

    steps()
    wait("cuda")
    start = time.perf_counter()
    steps()
    wait("cuda")
    wall_us = (time.perf_counter() - start) * 1e6  # without the profiler, which slows the host
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        with record_function(SPAN):
            steps()
        wait("cuda")
    events = seen.events() or []
    kernels = [e.time_range for e in events if e.device_type == DeviceType.CUDA and e.name != SPAN]
    span = next(e.time_range for e in events if e.name == SPAN and e.device_type == DeviceType.CPU)
    waits = [e.name for e in events if e.name in WAITS and span.start <= e.time_range.start < span.end]
    busy = min(covered((k.start, k.end) for k in kernels) / wall_us, 1.0)
    return [
        work.name, arithmetic.name, f"{busy:.0%}", f"{len(kernels) / STEPS:.0f}", f"{len(waits) / STEPS:.2f}",
        ", ".join(sorted(set(waits))) or "nothing",
    ]  # fmt: skip


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of intervals (start, end)."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
