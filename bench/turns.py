"""Two checkouts of the product do the same work in turns, each run a process of its own: what each of them took.

What runs in a checkout stands in `bench/both/` and imports only what both have: `PYTHONPATH` decides which it is.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[1]
BEFORE, NOW = "before", "now"


@dataclass(frozen=True)
class Taken:
    """What a run took: seconds, seconds of processor cores by all its processes, and the largest one's memory."""

    seconds: float
    cores: float
    peak_mib: float
    output: str


def trees(before: Path) -> Mapping[str, Path]:
    """The two checkouts. Raises SystemExit where the first is none."""
    if not (before / "defectory/__init__.py").is_file():
        sys.exit(f"{before} is no checkout: make one with `git worktree add FOLDER 5e2b823`")
    return {BEFORE: before.resolve(), NOW: HERE}


def run(tree: Path, arguments: Sequence[str]) -> Taken:
    """Run Python with these arguments on a checkout. Raises SystemExit where it fails, with what it said last."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-P", *arguments], env={**kept, "PYTHONPATH": str(tree)}, cwd=tree, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"in {tree}: {' '.join(arguments)}\n{output[-4000:]}")
    return Taken(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, output)


def in_turns(
    checkouts: Mapping[str, Path], rounds: int, work: Callable[[str, Path, int], Taken]
) -> Mapping[str, Sequence[Taken]]:
    """What every checkout took, round after round; says each on standard error at once.

    Args:
        work: of a checkout's name, its folder and the round's number.
    """
    every: dict[str, list[Taken]] = {name: [] for name in checkouts}
    for number in range(rounds):
        for name, tree in checkouts.items():
            taken = work(name, tree, number)
            every[name].append(taken)
            sys.stderr.write(f"{name}: {taken.seconds:.1f} s, {taken.cores:.1f} core s, {taken.peak_mib:.0f} MiB\n")
    return every


def row(work: str, every: Mapping[str, Sequence[Taken]]) -> list[str]:
    """[work, seconds before, now, ratio, core seconds before, now, ratio, peak MiB before, now]; medians."""
    cells = [work]
    for measure in ("seconds", "cores"):
        before, now = ([float(getattr(taken, measure)) for taken in every[name]] for name in (BEFORE, NOW))
        ratio = statistics.median(ours / theirs for ours, theirs in zip(now, before, strict=True))
        cells += [f"{statistics.median(before):.1f}", f"{statistics.median(now):.1f}", f"{ratio:.2f}"]
    return cells + [f"{max(taken.peak_mib for taken in every[name]):.0f}" for name in (BEFORE, NOW)]


COLUMNS = (
    "work", "seconds before", "now", "ratio", "core seconds before", "now", "ratio", "peak MiB before", "now",
)  # fmt: skip
NOTES = "Medians, ratios pair by pair; before: the checkout that is compared with. Memory: of the largest process."
