"""Our StyleGAN2-ADA beside NVIDIA's reference: seconds, images a second, ratio.

    python -m bench.generator --reference CHECKOUT [--only WORDS] [--threads 2] [--both-keep]

CHECKOUT is a clone of NVlabs/stylegan2-ada-pytorch, run as it is and under its own licence. Both sides compute in fp32
with the same shapes and in the same environment, one after the other in every round, so that noise of the machine meets
both. Each has a process of its own, for ours keeps freed memory, as it does in a worker (defectory/memory.py), which
would help the reference as well; how much it would is what --both-keep shows.
"""

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench.record import record
from bench.reference_stylegan2 import D_INTERVAL, G_INTERVAL, Reference
from defectory.memory import keep_freed_memory
from services.generator.stylegan2.networks import Architecture, build
from services.generator.training import settings
from services.generator.training.trainer import PATH_INTERVAL, R1_INTERVAL, Trainer

AUGMENT_P = 0.5
COMMAND = "python -m bench.generator --reference CHECKOUT"
SIDES = ("reference", "ours")
PHASE_INTERVALS = (1, G_INTERVAL, 1, D_INTERVAL)  # in how many steps each phase comes once: G, path length, D, R1
WARM_UP = 2  # calls of each phase
COLUMNS = ("work", "reference s", "ours s", "ours images/s", "ratio", "at least", "of the bound")


@dataclass(frozen=True)
class Work:
    """One row: a kind of work at one size."""

    kind: str  # "synthesis" or "training step"
    resolution_px: int
    channel_base: int
    batch: int
    wanted: float  # how many times as fast as the reference

    @property
    def name(self) -> str:
        """As the table has it."""
        ada = ", ADA on" if self.kind == "training step" else ""
        return f"{self.kind} {self.resolution_px}², base {self.channel_base}, batch {self.batch}{ada}"

    @property
    def architecture(self) -> Architecture:
        """Of both networks; channels_max and latents are the reference's defaults."""
        return Architecture(resolution_px=self.resolution_px, channel_base=self.channel_base)


WORKS = (
    Work("synthesis", 64, 4096, 16, 12),
    Work("synthesis", 64, 16384, 16, 7),
    Work("synthesis", 256, 16384, 4, 5),
    Work("synthesis", 512, 32768, 2, 4),
    Work("training step", 64, 4096, 16, 4),
    Work("training step", 64, 16384, 16, 3.3),
    Work("training step", 128, 8192, 8, 3),
)


def main() -> None:
    """Measure what is asked for and record it; with --side, be one side of one row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reference", type=Path, required=True, help="clone of NVlabs/stylegan2-ada-pytorch")
    parser.add_argument("--only", default="", help="only rows whose name holds these words; nothing is recorded")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--both-keep", action="store_true", help="both keep freed memory; a table of its own")
    parser.add_argument("--side", choices=SIDES, help="be this side of the row that --only names")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    chosen = [work for work in WORKS if given.only in work.name]
    if given.side:
        if given.side == "ours" or given.both_keep:
            keep_freed_memory()
        answer(calls(given.side, chosen[0], given.reference))
        return
    rate = best_convolution_rate()
    rows = []
    for work in chosen:
        rows.append(measure(work, given, rate))
        sys.stdout.write(" | ".join(rows[-1]) + "\n")
        sys.stdout.flush()
    if not given.only:
        title, command = "Generator beside the reference", COMMAND
        kept = "Ours keeps freed memory, as it does in a worker, the reference as it comes."
        if given.both_keep:
            title, command = f"{title}, both keeping memory", f"{command} --both-keep"
            kept = "Both sides keep freed memory."
        notes = (
            f"fp32, {given.threads} threads. {kept} A training step is all phases, the lazy ones by their share; "
            f"ADA bgc at p {AUGMENT_P}.\nThe bound is the multiply-adds of direct convolutions at the best rate of "
            f"torch's 3×3 convolution here, {rate / 1e9:.0f} G/s; Winograd's need fewer, so ours can pass it."
        )
        record(title, command, COLUMNS, rows, notes, packages=("torch", "numpy"))


def calls(side: str, work: Work, checkout: Path) -> list[Callable[[], object]]:
    """What one side does for a row: a synthesis, or the four phases of a step."""
    if side == "ours":
        return [our_synthesis(work)] if work.kind == "synthesis" else list(our_phases(work))
    warnings.simplefilter("ignore")  # it says at every call that it knows no such torch
    reference = Reference(checkout)
    if work.kind == "synthesis":
        return [reference.synthesis(work.architecture, work.batch)]
    return reference.phases(work.architecture, work.batch, AUGMENT_P)


def answer(known: list[Callable[[], object]]) -> None:
    """Run the call whose number is asked for on standard input, and say how many seconds it took."""
    for line in sys.stdin:
        start = time.perf_counter()
        known[int(line)]()
        sys.stdout.write(f"{time.perf_counter() - start}\n")
        sys.stdout.flush()


class Side:
    """One side of one row, in a process of its own."""

    def __init__(self, name: str, work: Work, given: argparse.Namespace) -> None:
        command = [sys.executable, "-m", "bench.generator", "--side", name, "--only", work.name]
        command += ["--reference", str(given.reference), "--threads", str(given.threads)]
        command += ["--both-keep"] if given.both_keep else []
        self._process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def seconds(self, call: int) -> float:
        """Of one call of that number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{call}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def measure(work: Work, given: argparse.Namespace, rate: float) -> list[str]:
    """One row of the table."""
    synthesis = work.kind == "synthesis"
    sides = [Side(name, work, given) for name in SIDES]
    theirs = ours = 0.0
    for call, interval in enumerate((1,) if synthesis else PHASE_INTERVALS):
        medians = alternate(sides, call)
        theirs, ours = theirs + medians[0] / interval, ours + medians[1] / interval
    for side in sides:
        side.close()
    operations = synthesis_operations(work.architecture) if synthesis else training_operations(work.architecture)
    return [
        work.name, f"{theirs:.3f}", f"{ours:.3f}", f"{work.batch / ours:.1f}", f"{theirs / ours:.1f}×",
        f"{work.wanted}×", f"{work.batch * operations / rate / ours:.0%}",
    ]  # fmt: skip


def alternate(sides: list[Side], call: int, budget_s: float = 12) -> tuple[float, float]:
    """Median seconds of a call on the reference's and our side, in turns for so long, after some to warm up."""
    taken: list[list[float]] = [[] for _ in sides]
    for side in sides:
        for _ in range(WARM_UP):
            side.seconds(call)
    end = time.perf_counter() + budget_s
    while len(taken[0]) < 3 or (time.perf_counter() < end and len(taken[0]) < 30):
        for side, seconds in zip(sides, taken, strict=True):
            seconds.append(side.seconds(call))
    return statistics.median(taken[0]), statistics.median(taken[1])


def our_synthesis(work: Work) -> Callable[[], Tensor]:
    """A call that makes one batch with our network."""
    generator = build(work.architecture, 0)[0].eval().requires_grad_(False)
    z = torch.randn(work.batch, work.architecture.z_dim)

    def call() -> Tensor:
        with torch.inference_mode():
            return generator(z, truncation_psi=0.7)  # type: ignore[no-any-return]

    return call


def our_phases(work: Work) -> Iterator[Callable[[], object]]:
    """The four phases of our step, in the reference's order: G, path length, D, R1."""
    chosen = settings.resolve(
        {
            "channel_base": work.channel_base, "z_dim": 512, "w_dim": 512, "batch": work.batch,
            "augment_mode": "fixed", "augment_p": AUGMENT_P,
        },
        size_px=work.resolution_px, channels=3,
    )  # fmt: skip
    pixels = torch.randint(0, 256, (work.batch, 3, work.resolution_px, work.resolution_px), dtype=torch.uint8)
    trainer = Trainer(pixels, chosen, 0)
    real = pixels.float() / 127.5 - 1
    rng = torch.Generator().manual_seed(0)
    yield lambda: trainer.generator_step(rng)
    yield lambda: trainer.path_length_step(rng)
    yield lambda: trainer.discriminator_step(real, rng)
    yield lambda: trainer.r1_step(real, rng)


def synthesis_operations(architecture: Architecture) -> float:
    """Multiply-adds of the synthesis network's convolutions an image."""
    total = 0.0
    for r in architecture.resolutions:
        width, below = architecture.width(r), architecture.width(max(r // 2, 4))
        total += 9 * width * width * r * r + width * architecture.channels * r * r
        total += 9 * below * width * (r // 2) ** 2 if r > 4 else 0  # transposed: one product for each input pixel
    return total


def discriminator_operations(architecture: Architecture) -> float:
    """Multiply-adds of the discriminator's convolutions an image."""
    total = float(
        architecture.channels * architecture.width(architecture.resolution_px) * architecture.resolution_px**2
    )
    for r in architecture.resolutions[1:]:
        inputs, outputs = architecture.width(r), architecture.width(r // 2)
        total += 9 * inputs * inputs * r * r + (9 + 1) * inputs * outputs * (r // 2) ** 2
    width = architecture.width(4)
    return total + 9 * (width + 1) * width * 16 + 16 * width * width


def training_operations(architecture: Architecture) -> float:
    """Multiply-adds of a step an image: a backward pass costs two forward passes, one where no weight learns.

    G: G forward and back, D forward and back to its input; path length (half the batch, every fourth step): forward,
    back to w, and back through both; D: G forward, D forward and back for real and generated; R1 (every sixteenth):
    likewise.
    """
    g, d = synthesis_operations(architecture), discriminator_operations(architecture)
    main = 3 * g + 2 * d + g + 2 * 3 * d
    return main + (1 + 1 + 4) * g / 2 / PATH_INTERVAL + (1 + 1 + 4) * d / R1_INTERVAL


def best_convolution_rate() -> float:
    """Multiply-adds a second of the fastest 3×3 convolution among some typical ones on this machine."""
    best = 0.0
    for width, side, batch in ((64, 64, 16), (128, 32, 16), (256, 32, 8), (512, 16, 16)):
        x = torch.randn(batch, width, side, side).contiguous(memory_format=torch.channels_last)
        weight = torch.randn(width, width, 3, 3).contiguous(memory_format=torch.channels_last)
        seconds = []
        with torch.inference_mode():
            for _ in range(8):
                start = time.perf_counter()
                torch.nn.functional.conv2d(x, weight, padding=1)
                seconds.append(time.perf_counter() - start)
        best = max(best, 9 * width * width * side * side * batch / min(seconds))
    return best


if __name__ == "__main__":
    main()
