"""Peak memory of a training step beside NVIDIA's: `python -m bench.generator_memory --reference CHECKOUT`.

Each side runs its four phases once, in a process of its own; what the process held before its networks is taken off.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import torch

from bench.environment import as_worker
from bench.generator import SIDES, WORKS, calls
from bench.record import record
from bench.reference_stylegan2 import Reference

MOST = 0.45  # of the reference's memory
COMMAND = "python -m bench.generator_memory --reference CHECKOUT"


def main() -> None:
    """Measure both sides of every training step and record it; with --side, one of them."""
    as_worker("bench.generator_memory")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reference", type=Path, required=True, help="clone of NVlabs/stylegan2-ada-pytorch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help="only this side of --work; prints MiB")
    parser.add_argument("--work", type=int, default=0, help="place of the work in bench/generator.py")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.side:
        print(peak_mib(given.side, given.work, given.reference))  # noqa: T201 - its answer
        return
    rows = []
    for place, work in enumerate(WORKS):
        if work.kind == "training step":
            theirs, ours = (_apart(side, place, given.reference) for side in SIDES)
            rows.append([work.name, f"{theirs}", f"{ours}", f"{ours / theirs:.2f}", f"at most {MOST}"])
    columns = ("work", "reference MiB", "ours MiB", "share", "wanted")
    notes = "Largest resident set of all four phases, less what was there before the networks."
    sys.stdout.write(record("Memory of a training step", COMMAND, columns, rows, notes, packages=("torch", "numpy")))


def peak_mib(side: str, place: int, checkout: Path) -> int:
    """Run the four phases of one side, and return by how much they raised the process's peak."""
    Reference(checkout)  # what its modules take is not counted
    before = _largest_mib()
    for call in calls(side, WORKS[place], checkout):
        call()
    return _largest_mib() - before


def _apart(side: str, place: int, checkout: Path) -> int:
    command = [sys.executable, "-m", "bench.generator_memory", "--reference", str(checkout)]
    done = subprocess.run([*command, "--side", side, "--work", str(place)], check=True, capture_output=True, text=True)
    return int(done.stdout)


def _largest_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
