"""Images a second of training and synthesis, with the peak of the device's memory, beside the reference's own code."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from bench.gpu.works import AUGMENT_P, FP16, FP32, Arithmetic, Work, wait
from bench.reference_stylegan2 import D_INTERVAL, G_INTERVAL, Reference
from defectory.job_settings.rendering import HALF_RESOLUTIONS
from services.generator.stylegan2.networks import build
from services.generator.stylegan2.precision import use_precision
from services.generator.training.device import configure
from services.generator.training.trainer import R1_INTERVAL

TRAINING_COLUMNS = ("training", "in", "images/s", "peak MiB", "300 kimg in hours", "reference images/s", "ratio")
SYNTHESIS_COLUMNS = ("synthesis", "in", "images/s", "peak MiB", "as one CUDA graph, images/s")
PASS = R1_INTERVAL  # steps in which every phase has its share
PATIENCE_S = 4.0  # of a figure, after it has warmed up
KIMG = 300_000  # images of the paper's training


def training(work: Work, arithmetic: Arithmetic, device: str, reference: Reference | None) -> list[str]:
    """A row: whole steps, the lazy phases by their share, and what is drawn and copied for them."""
    trainer = work.trainer(arithmetic, device)

    def one_pass() -> None:
        for _ in range(PASS):
            trainer.train_step()

    _reset_peak(device)
    rate = PASS * work.batch / _seconds(one_pass, device)
    peak = _peak_mib(device)
    theirs = 0.0 if reference is None else _reference_rate(reference, work, arithmetic, device)
    row = [work.name, arithmetic.name, f"{rate:.1f}", peak, f"{KIMG / rate / 3600:.2f}"]
    return [*row, f"{theirs:.1f}" if theirs else "not run", f"{rate / theirs:.1f}×" if theirs else "-"]


def synthesis(work: Work, arithmetic: Arithmetic, device: str) -> list[str]:
    """A row: pictures of the averaged kind, made one batch after the other."""
    configure(torch.device(device, 0) if device == "cuda" else torch.device(device), tf32=arithmetic != FP32)
    generator = build(work.architecture, 0)[0].eval().requires_grad_(False).to(device)
    use_precision(generator, "fp16" if arithmetic == FP16 and device == "cuda" else "fp32", HALF_RESOLUTIONS)
    z = torch.randn(work.batch, work.architecture.z_dim, device=device)

    def call() -> None:
        with torch.inference_mode():
            generator(z, truncation_psi=0.7)

    _reset_peak(device)
    rate, peak = work.batch / _seconds(call, device), _peak_mib(device)
    graphed = f"{work.batch / _seconds(_graph(call).replay, device):.1f}" if device == "cuda" else "not run"
    return [work.name, arithmetic.name, f"{rate:.1f}", peak, graphed]


def _graph(call: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """One call as a graph that the device runs without the host."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph


def _reference_rate(reference: Reference, work: Work, arithmetic: Arithmetic, device: str) -> float:
    """Images a second of the reference's four phases, without what is drawn and copied for them."""
    half = HALF_RESOLUTIONS if arithmetic == FP16 else 0
    configure(
        torch.device(device, 0) if device == "cuda" else torch.device(device), tf32=arithmetic != FP32, search=True
    )
    phases = reference.phases(work.architecture, work.batch, AUGMENT_P, device=device, half_resolutions=half)
    intervals = (1, G_INTERVAL, 1, D_INTERVAL)
    seconds = [_seconds(phase, device) / interval for phase, interval in zip(phases, intervals, strict=True)]
    return work.batch / sum(seconds)


def _seconds(call: Callable[[], object], device: str) -> float:
    """Mean seconds of a call, as many as there is patience for, after two that warm up."""
    for _ in range(2):
        call()
    wait(device)
    start, calls = time.perf_counter(), 0
    while calls < 1 or time.perf_counter() - start < PATIENCE_S / 2:
        call()
        wait(device)
        calls += 1
    return (time.perf_counter() - start) / calls


def _reset_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak_mib(device: str) -> str:
    return f"{torch.cuda.max_memory_allocated() >> 20}" if device == "cuda" else "not measured"


def reference_at(checkout: Path | None) -> Reference | None:
    """The reference without its plug-ins, which a bare machine may not be able to compile; None without a checkout."""
    if checkout is None:
        return None
    reference = Reference(checkout)
    reference.leave_plug_ins_out()
    return reference


def rows_of(
    sizes: tuple[Work, ...], arithmetics: tuple[Arithmetic, ...], row: Callable[[Work, Arithmetic], list[str]]
) -> Iterator[list[str]]:
    """Rows of all sizes and arithmetics, each when it is measured."""
    for work in sizes:
        for arithmetic in arithmetics:
            yield row(work, arithmetic)
