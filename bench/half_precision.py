"""What bf16 in the highest resolutions gains and costs on this CPU, beside fp32: seconds, and how far pictures differ.

python -m bench.half_precision
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from bench.record import record
from services.generator.stylegan2.networks import Architecture, Generator, build
from services.generator.stylegan2.precision import Precision, use_precision
from services.generator.training import settings
from services.generator.training.trainer import PATH_INTERVAL, R1_INTERVAL, Trainer

COMMAND = "python -m bench.half_precision"
COLUMNS = ("work", "fp32 s", "bf16 s", "gain", "difference, grey levels")
PRECISIONS: tuple[Precision, Precision] = ("fp32", "bf16")
SYNTHESIS = ((64, 4096, 16), (64, 16384, 16), (256, 16384, 4))  # side, channel base, batch
TRAINING = ((64, 4096, 16), (64, 16384, 16))
AUGMENT_P = 0.5
THREADS = 2


def main() -> None:
    """Measure and record."""
    torch.set_num_threads(THREADS)
    rows = []
    for measure, works in ((synthesis, SYNTHESIS), (training, TRAINING)):
        for work in works:
            rows.append(measure(*work))
            sys.stdout.write(" | ".join(rows[-1]) + "\n")
            sys.stdout.flush()
    notes = (
        f"{THREADS} threads, bf16 in the four highest resolutions, fp32 elsewhere, in every weight and in the image. "
        "Shortest times, measured in turns. A training\nstep is all phases, the lazy ones by their share, ADA bgc at p "
        f"{AUGMENT_P}. The difference is the root mean square, and the largest, between pictures of the same seeds."
    )
    record("Half precision on a CPU", COMMAND, COLUMNS, rows, notes, packages=("torch",))


def shortest(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Least seconds of each call, run in turns."""
    found = [float("inf")] * len(calls)
    for number in range(rounds + 1):
        for index, call in enumerate(calls):
            start = time.perf_counter()
            call()
            if number:  # the first warms up
                found[index] = min(found[index], time.perf_counter() - start)
    return found


def synthesis(resolution_px: int, channel_base: int, batch: int) -> list[str]:
    """A row of the table."""
    architecture = Architecture(resolution_px=resolution_px, channel_base=channel_base)
    networks = [_generator(architecture, precision) for precision in PRECISIONS]
    z = torch.randn(batch, architecture.z_dim, generator=torch.Generator().manual_seed(0))

    def pictures(generator: Generator) -> Tensor:
        with torch.inference_mode():
            images: Tensor = generator(z)
            return images

    seconds = shortest([partial(pictures, generator) for generator in networks], 4)
    plain, half = ((pictures(g) * 127.5).clamp(-128, 127) for g in networks)
    difference = (plain - half).abs()
    return _row(
        f"synthesis {resolution_px}², base {channel_base}, batch {batch}", seconds,
        f"{float(difference.square().mean().sqrt()):.2f}, at most {float(difference.max()):.1f}",
    )  # fmt: skip


def training(resolution_px: int, channel_base: int, batch: int) -> list[str]:
    """A row of the table."""
    sums = [0.0, 0.0]
    trainers = [_trainer(resolution_px, channel_base, batch, precision) for precision in PRECISIONS]
    real = torch.rand(batch, 3, resolution_px, resolution_px) * 2 - 1
    rng = torch.Generator().manual_seed(0)
    phases: Sequence[tuple[Callable[[Trainer], object], int]] = (
        (lambda one: one.generator_step(rng), 1),
        (lambda one: one.path_length_step(rng), PATH_INTERVAL),
        (lambda one: one.discriminator_step(real, rng), 1),
        (lambda one: one.r1_step(real, rng), R1_INTERVAL),
    )
    for phase, interval in phases:
        taken = shortest([partial(phase, one) for one in trainers], 2)
        sums = [total + seconds / interval for total, seconds in zip(sums, taken, strict=True)]
    return _row(f"training step {resolution_px}², base {channel_base}, batch {batch}, ADA on", sums, "")


def _generator(architecture: Architecture, precision: Precision) -> Generator:
    generator = build(architecture, 0)[0].eval().requires_grad_(False)
    use_precision(generator, precision, 4)
    return generator


def _trainer(resolution_px: int, channel_base: int, batch: int, precision: Precision) -> Trainer:
    values = {
        "channel_base": channel_base, "z_dim": 512, "w_dim": 512, "batch": batch, "augment_mode": "fixed",
        "augment_p": AUGMENT_P, "precision": precision, "device": "cpu",
    }  # fmt: skip
    pixels = torch.zeros(batch, 3, resolution_px, resolution_px, dtype=torch.uint8)
    return Trainer(pixels, settings.resolve(values, size_px=resolution_px, channels=3), 0)


def _row(name: str, seconds: Sequence[float], difference: str) -> list[str]:
    return [name, f"{seconds[0]:.3f}", f"{seconds[1]:.3f}", f"{seconds[0] / seconds[1]:.2f}×", difference]


if __name__ == "__main__":
    main()
