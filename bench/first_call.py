"""How long the command line takes to answer: `python -m bench.first_call`.

A classifier of the line's own size answers for one picture: with nothing running, and through a server that the command
finds. Beside it, what every command takes to start. The commands take turns, each a process of its own, after a first
round that does not count: it leaves modules compiled and files in the system's cache.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.bundle import put_classifier
from bench.record import record
from defectory.storage import open_store

RUNS = 7
COMMAND = (sys.executable, "-m", "orchestrator.cli.main")


def main() -> int:
    """Measure, print and write the section."""
    with tempfile.TemporaryDirectory() as folder:
        store, runtime = Path(folder, "store").as_uri(), Path(folder, "run")
        runtime.mkdir(mode=0o700)
        put_classifier(open_store(store), "part", input_px=224, width=1.0)
        picture = Path(folder, "part.png")
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)).save(picture)
        classify = ("classifier", "classify", "part", str(picture), "--store", store)
        nobody, served = {"XDG_RUNTIME_DIR": folder}, {"XDG_RUNTIME_DIR": str(runtime)}
        cases = {
            "`defectory --version`": (("--version",), nobody),
            "`defectory --help`": (("--help",), nobody),
            "`defectory runs`": (("runs", "--store", store), nobody),
            "`defectory status`": (("status", "--store", store), nobody),
            "`classify` one picture, through a server that is found": (classify, served),
            "`classify` one picture, nothing running": (classify, nobody),
        }
        serve = [*COMMAND, "serve", "classifier", "--store", store, "--port", "0", "--metrics-port", "0"]
        environ = _environ(served)
        with subprocess.Popen(serve, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
            try:
                if not server.stdout or not server.stdout.readline():
                    raise RuntimeError("the server did not start")
                taken: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
                for _ in range(RUNS + 1):
                    for case, (arguments, own) in cases.items():
                        taken[case].append(_run(arguments, own))
            finally:
                server.terminate()
    rows = [_row(case, runs[1:]) for case, runs in taken.items()]
    columns = ("command", "seconds, median", "min to max", "processor seconds")
    notes = (
        f"Medians of {RUNS} runs in turn. Processor seconds are those of the command and of what it starts, not of the "
        "server that it finds. The classifier has 224 px and width 1."
    )
    packages = ("typer", "pydantic", "grpcio", "onnxruntime")
    sys.stdout.write(record("The first call", "python -m bench.first_call", columns, rows, notes, packages))
    return 0


def _environ(own: dict[str, str]) -> dict[str, str]:
    """The environment of a user whose Python keeps what it has compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **own}


def _run(arguments: Sequence[str], own: dict[str, str]) -> tuple[float, float]:
    """(seconds, processor seconds) of one run."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*COMMAND, *arguments], env=_environ(own), check=True, capture_output=True)
    seconds, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _row(case: str, runs: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    walls, cores = zip(*runs, strict=True)
    return (
        case,
        f"{statistics.median(walls):.2f}",
        f"{min(walls):.2f} to {max(walls):.2f}",
        f"{statistics.median(cores):.2f}",
    )


if __name__ == "__main__":
    sys.exit(main())
