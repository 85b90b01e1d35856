"""What half precision in the highest resolutions gains and costs on this CPU, beside fp32.

    python -m bench.half_precision [--threads 2] [--only synthesis|training] [--quick]

Gains: images a second, seconds a training step. Costs: how far pictures of the same seeds differ, and losses and
gradients of the same step from the same weights; beside these, how far gradients of two batches differ, which is the
noise that a training lives with anyway. Both sides in turns, in the environment of a worker.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from bench.environment import as_worker
from bench.record import record
from defectory.job_settings.rendering import HALF_RESOLUTIONS, Precision
from services.generator.starter import NAME, read_card, read_tensors
from services.generator.starter.drawing import draw
from services.generator.stylegan2.networks import Architecture, Generator, build
from services.generator.stylegan2.precision import use_precision
from services.generator.tensors import under
from services.generator.training import settings
from services.generator.training.trainer import PATH_INTERVAL, R1_INTERVAL, Trainer

COMMAND = "python -m bench.half_precision"
SYNTHESIS_COLUMNS = (
    "synthesis",
    "in",
    "fp32 images/s",
    "images/s",
    "gain",
    "grey levels off, RMS",
    "at most",
    "PSNR dB",
)
TRAINING_COLUMNS = (
    "training step, ADA on", "fp32 s", "bf16 s", "gain", "loss off, G", "D", "gradient off, G", "D",
    "of another batch, G", "D",
)  # fmt: skip
Phase = Callable[[Trainer, Tensor, torch.Generator], tuple[Tensor, nn.Module]]  # makes a step: its loss, and whose
AUGMENT_P = 0.5
PATIENCE_S = 4.0
LEVELS = 127.5  # grey levels a unit of the network's output


@dataclass(frozen=True)
class Work:
    """One row: a network at one size, untrained or the starter's."""

    resolution_px: int
    channel_base: int
    batch: int
    precision: Precision = "bf16"
    trained: bool = False

    @property
    def name(self) -> str:
        """As the table has it."""
        trained = f", {NAME}" if self.trained else ""
        return f"{self.resolution_px}², base {self.channel_base}, batch {self.batch}{trained}"

    @property
    def architecture(self) -> Architecture:
        """Of the network."""
        if self.trained:
            return read_card().architecture
        return Architecture(resolution_px=self.resolution_px, channel_base=self.channel_base)


STARTER = Work(64, read_card().architecture.channel_base, 16, trained=True)
SYNTHESIS = (
    STARTER, Work(64, 4096, 16), Work(64, 4096, 16, "fp16"), Work(64, 16384, 16), Work(256, 16384, 4),
    Work(512, 32768, 2),
)  # fmt: skip
TRAINING = (STARTER, Work(64, 4096, 16))  # at base 16384 the rows would take longer than all others together


def main() -> None:
    """Measure and, when everything was measured, record."""
    as_worker("bench.half_precision")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("synthesis", "training"), help="only this table")
    parser.add_argument("--quick", action="store_true", help="only the starter's rows; nothing is recorded")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    where = (
        f"{given.threads} threads, half precision in the {HALF_RESOLUTIONS} highest resolutions, fp32 elsewhere, in "
        "every weight and in the image. Shortest times,\nmeasured in turns."
    )
    if given.only != "training":
        rows = list(_shown(synthesis, SYNTHESIS[:1] if given.quick else SYNTHESIS))
        notes = f"{where} Differences are those of pictures of the same seeds, before they are rounded to whole levels."
        if not given.quick:
            record("Half precision on a CPU: synthesis", COMMAND, SYNTHESIS_COLUMNS, rows, notes, packages=("torch",))
    if given.only == "synthesis":
        return
    rows = list(_shown(training, TRAINING[:1] if given.quick else TRAINING))
    notes = (
        f"{where} A step is all phases, the lazy ones by their share, ADA bgc at p {AUGMENT_P}. Losses and gradients "
        "are those of the first step of\neach network (the difference as a share of fp32's), beside the difference "
        "between two batches in fp32."
    )
    if not given.quick:
        record("Half precision on a CPU: training", COMMAND, TRAINING_COLUMNS, rows, notes, packages=("torch",))


def _shown(measure: Callable[[Work], list[str]], works: Sequence[Work]) -> Iterator[list[str]]:
    """Rows, each printed as soon as it is there."""
    for work in works:
        row = measure(work)
        sys.stdout.write(" | ".join(row) + "\n")
        sys.stdout.flush()
        yield row


def shortest(calls: Sequence[Callable[[], object]], rounds: int = 10) -> list[float]:
    """Least seconds of each call, run in turns: once to warm up, then once at least and as often as there is time."""
    for call in calls:
        call()
    seconds = [float("inf")] * len(calls)
    until = time.perf_counter() + PATIENCE_S
    for number in range(rounds):
        if number and time.perf_counter() > until:
            break
        for index, call in enumerate(calls):
            start = time.perf_counter()
            call()
            seconds[index] = min(seconds[index], time.perf_counter() - start)
    return seconds


def synthesis(work: Work) -> list[str]:
    """A row of the table."""
    networks = [_generator(work, "fp32"), _generator(work, work.precision)]
    z = torch.randn(work.batch, work.architecture.z_dim, generator=torch.Generator().manual_seed(0))
    seconds = shortest([partial(_pictures, network, z) for network in networks])
    plain, half = (((_pictures(g, z) + 1) * LEVELS).clamp(0, 2 * LEVELS) for g in networks)
    difference = (plain - half).abs()
    rms = float(difference.square().mean().sqrt())
    psnr_db = 20 * math.log10(2 * LEVELS / rms)
    rates = [work.batch / s for s in seconds]
    return [
        work.name, work.precision, f"{rates[0]:.1f}", f"{rates[1]:.1f}", f"{rates[1] / rates[0]:.2f}×", f"{rms:.2f}",
        f"{float(difference.max()):.1f}", f"{psnr_db:.0f}",
    ]  # fmt: skip


def training(work: Work) -> list[str]:
    """A row of the table."""
    seconds = _step_seconds(work)
    cost = [_step_error(work, phase) for phase in (_generator_phase, _discriminator_phase)]
    return [
        work.name, f"{seconds[0]:.3f}", f"{seconds[1]:.3f}", f"{seconds[0] / seconds[1]:.2f}×",
        *(f"{error:.1%}" for errors in zip(*cost, strict=True) for error in errors),
    ]  # fmt: skip


def _step_seconds(work: Work) -> list[float]:
    """Seconds of a step in fp32 and bf16."""
    trainers = [_trainer(work, "fp32"), _trainer(work, "bf16")]
    rng, real = torch.Generator().manual_seed(0), _real(work, 0)
    phases: Sequence[tuple[Callable[[Trainer], object], int]] = (
        (lambda one: one.generator_step(rng), 1),
        (lambda one: one.path_length_step(rng), PATH_INTERVAL),
        (lambda one: one.discriminator_step(real, rng), 1),
        (lambda one: one.r1_step(real, rng), R1_INTERVAL),
    )
    sums = [0.0, 0.0]
    for phase, interval in phases:
        taken = shortest([partial(phase, one) for one in trainers])
        sums = [total + seconds / interval for total, seconds in zip(sums, taken, strict=True)]
    return sums


def _generator_phase(one: Trainer, real: Tensor, rng: torch.Generator) -> tuple[Tensor, nn.Module]:
    return one.generator_step(rng), one.generator


def _discriminator_phase(one: Trainer, real: Tensor, rng: torch.Generator) -> tuple[Tensor, nn.Module]:
    return one.discriminator_step(real, rng), one.discriminator


def _step_error(work: Work, phase: Phase) -> tuple[float, float, float]:
    """Of a first step, as shares of fp32's: loss off and gradient off in bf16, gradient off with another batch."""
    losses, gradients = [], []
    compared: Sequence[tuple[Precision, int]] = (("fp32", 1), ("bf16", 1), ("fp32", 2))
    for precision, seed in compared:
        loss, network = phase(_trainer(work, precision), _real(work, seed), torch.Generator().manual_seed(seed))
        losses.append(float(loss))
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    plain = gradients[0].norm()
    off = [float((gradient - gradients[0]).norm() / plain) for gradient in gradients]
    return abs(losses[1] - losses[0]) / abs(losses[0]), off[1], off[2]


def _pictures(generator: Generator, z: Tensor) -> Tensor:
    with torch.inference_mode():
        images: Tensor = generator(z)
        return images


def _generator(work: Work, precision: Precision) -> Generator:
    generator = build(work.architecture, 0)[0].eval().requires_grad_(False)
    if work.trained:
        generator.load_state_dict(under(read_tensors(), "g/"))
    use_precision(generator, precision, HALF_RESOLUTIONS)
    return generator


def _trainer(work: Work, precision: Precision) -> Trainer:
    values = {
        **work.architecture.model_dump(), "batch": work.batch, "augment_mode": "fixed", "augment_p": AUGMENT_P,
        "precision": precision, "device": "cpu",
    }  # fmt: skip
    pixels = torch.zeros(work.batch, 3, work.resolution_px, work.resolution_px, dtype=torch.uint8)
    trainer = Trainer(pixels, settings.resolve(values, size_px=work.resolution_px, channels=3), 0)
    if work.trained:
        tensors = read_tensors()
        trainer.generator.load_state_dict(under(tensors, "g/"))
        trainer.discriminator.load_state_dict(under(tensors, "d/"))
    return trainer


def _real(work: Work, seed: int) -> Tensor:
    """A batch of drawn parts, of the kind that the starter learned from: (N, 3, 64, 64) in [-1, 1]."""
    parts = np.stack([draw(1000 * seed + number) for number in range(work.batch)])
    return torch.from_numpy(parts).permute(0, 3, 1, 2).float() / LEVELS - 1


if __name__ == "__main__":
    main()
