"""Every check and figure of a GPU, within a time, written to a page as they come.

    bench/gpu.sh [--reference CHECKOUT]

With --device cpu the same runs at tiny sizes, as a try of the script itself: its figures say nothing of a GPU.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from bench.gpu import numerics, resuming, speed, tracing
from bench.gpu.works import ARITHMETICS, EXACT, FP16, SIZES, SMALL_EXACT, SMALL_SIZES
from bench.record import record

PAGE = Path(__file__).parents[2] / "docs/benchmarks-gpu.md"
COMMAND = "bench/gpu.sh"
HEADER = "# Benchmarks of a GPU\n\nEach section is written by `bench/gpu.sh`, on a machine with one GPU.\n"
BUDGET_S = 420.0


def main() -> None:
    """Run everything that there is time for; the exit code says whether the checks passed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--reference", type=Path, help="clone of NVlabs/stylegan2-ada-pytorch, run without its plug-ins"
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that is written anew")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds after which nothing more is begun")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here; --device cpu tries the script at tiny sizes")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS adds up in one order only with it
    given.page.write_text(HEADER)
    run = Run(given.device, given.page, time.monotonic() + given.budget)
    on_gpu = given.device == "cuda"
    if not on_gpu:
        torch.set_num_threads(1)  # threads that wait for each other on a busy machine take minutes for milliseconds
    exact, sizes = (EXACT, SIZES) if on_gpu else (SMALL_EXACT, SMALL_SIZES)
    arithmetics = ARITHMETICS if on_gpu else ARITHMETICS[:1]
    reference = speed.reference_at(given.reference)

    run.check(
        f"Numerics beside double precision, {exact.name}", numerics.COLUMNS,
        partial(numerics.compare, exact, run.device),
        "Off is the norm of the difference as a share of the exact value's norm. Exact is a CPU in float64; fp16 is in "
        "the four highest resolutions.",
    )  # fmt: skip
    run.check(
        f"Resuming to the bit, {exact.name}", resuming.COLUMNS, partial(resuming.compare, exact, run.device),
        "fp32, deterministic algorithms where torch has them, ADA on.",
    )  # fmt: skip
    if on_gpu:
        run.table(
            "What the device does in a training step", tracing.COLUMNS,
            speed.rows_of(SIZES, (FP16,), tracing.trace),
            "Busy is the time in which kernels or copies run, as a share of the same steps' time without the profiler.",
        )  # fmt: skip
    run.table(
        "Training beside the reference", speed.TRAINING_COLUMNS,
        speed.rows_of(sizes, arithmetics, lambda w, a: speed.training(w, a, run.device, reference)),
        "All phases, the lazy ones by their share, ADA bgc on. Ours draws, copies and prepares each batch as well; the "
        "reference, without its plug-ins,\nhas its batch on the device already.",
    )  # fmt: skip
    run.table(
        "Synthesis", speed.SYNTHESIS_COLUMNS,
        speed.rows_of(sizes, arithmetics, lambda w, a: speed.synthesis(w, a, run.device)),
    )  # fmt: skip
    sys.exit(0 if run.right else 1)


class Run:
    """Writes each table when it is there, and begins none when the time is over.

    Attributes:
        right: whether all checks so far passed.
    """

    def __init__(self, device: str, page: Path, until: float) -> None:
        self.device = device
        self.right = True
        self._page = page
        self._until = until

    def check(
        self, title: str, columns: tuple[str, ...], compare: Callable[[], tuple[list[list[str]], bool]], notes: str
    ) -> None:
        """A table that is right or not."""
        rows, right = compare()
        self.right = self.right and right
        self._write(title, columns, rows, f"{notes} {'Passed.' if right else 'NOT passed.'}")

    def table(self, title: str, columns: tuple[str, ...], rows: Iterator[list[str]], notes: str = "") -> None:
        """A table of figures, as many rows as there is time for; written after every row."""
        measured: list[list[str]] = []
        while time.monotonic() < self._until:
            row = next(rows, None)
            if row is None:
                return
            measured.append(row)
            self._write(title, columns, measured, notes)
        self._write(title, columns, measured, f"{notes} The time was over: further rows were not measured.".strip())

    def _write(self, title: str, columns: tuple[str, ...], rows: list[list[str]], notes: str) -> None:
        where = torch.cuda.get_device_name(0) if self.device == "cuda" else "a CPU: a try of the script, at tiny sizes"
        section = record(title, COMMAND, columns, rows, f"{where}. {notes}".strip(), ("torch", "numpy"), self._page)
        sys.stdout.write(f"{section}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
