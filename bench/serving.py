"""Ours beside LitServe, BentoML and MLServer, on one machine: 512×512 JPEGs into MobileNetV2 at 224, 32 callers.

    python -m bench.serving [--rivals FOLDER] [--around graph|openvino] [--seconds 2] [--rounds 2]

FOLDER holds a virtual environment for each rival, as `bash bench/rivals/install.sh FOLDER` makes them. With
`--around graph` they compute with TensorFlow's compiled graph, with `--around openvino` with our own engine, so that
only what is around it differs. The bound is the core time of a bare loop: decode and compute, nothing else, on as many
cores. Every window starts after a second of warming up; rounds alternate over all sides, and the best window of each
counts, since noise of the machine only ever takes away.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from bench.bundle import put_classifier
from bench.record import record
from bench.rivals.with_mlserver_settings import write_settings
from defectory.storage import open_store

ROOT = Path(__file__).parents[1]
THREADS, CALLERS = 2, 32
COMMAND = "python -m bench.serving --rivals FOLDER --around {}"
TITLES = {
    "graph": "Serving beside LitServe, BentoML and MLServer",
    "openvino": "Serving beside LitServe, BentoML and MLServer around our own engine",
}
START_S = 180.0


@dataclass
class Side:
    """A server under one kind of load, and what was measured of it: the best of every window."""

    name: str
    kind: str  # of bench.load
    command: list[str]
    port: int
    environ: dict[str, str] = field(default_factory=dict)
    process: psutil.Process | None = None
    rate: float = 0.0
    core_ms: float = float("inf")  # of the server and the callers, an image
    p99: float = float("inf")
    lone_p50: float = float("inf")
    steady_p99: float = float("inf")

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"


@contextlib.contextmanager
def running(sides: list[Side], image: Path) -> Iterator[None]:
    """Every side's server, started at once and answering; one that does not come up ends the benchmark."""
    processes: dict[int, subprocess.Popen[bytes]] = {}
    try:
        for side in sides:
            if side.port not in processes:
                environ = {**os.environ, **side.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
                quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                processes[side.port] = subprocess.Popen(side.command, cwd=ROOT, env=environ, **quiet)  # type: ignore[call-overload]
        deadline = time.monotonic() + START_S
        for side in sides:
            side.process = psutil.Process(processes[side.port].pid)
            while "rate" not in (figures := load(side, image, 2, 0.2)):
                if time.monotonic() > deadline or processes[side.port].poll() is not None:
                    raise RuntimeError(f"{side.name} does not answer: {figures}")
                time.sleep(1)
        yield
    finally:
        for process in processes.values():
            children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            for child in [process, *children]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.terminate()
        for process in processes.values():
            process.wait(60)


def load(side: Side, image: Path, callers: int, seconds: float, rate: float = 0) -> dict[str, float]:
    """A window of load; {} with a reason where it failed."""
    arguments = [side.kind, side.address, str(image), str(callers), str(seconds), str(rate)]
    command = [sys.executable, "-m", "bench.load", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr[-300:]}  # type: ignore[dict-item]


class Bare:
    """The bound, in a process of its own: see bench.bare."""

    def __init__(self, store_url: str, image: Path, engines: list[str]) -> None:
        command = [sys.executable, "-m", "bench.bare", store_url, str(image), str(THREADS), *engines]
        self._process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.best: dict[str, dict[str, float]] = {}

    def measure(self, engine: str, seconds: float) -> None:
        """One window; the best of each figure counts."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{engine} {seconds}\n")
        self._process.stdin.flush()
        figures: dict[str, float] = json.loads(self._process.stdout.readline())
        known = self.best.get(engine, figures)
        self.best[engine] = {
            key: (max if key.endswith("rate") else min)(value, known[key]) for key, value in figures.items()
        }

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def ours(store_url: str, engine: str, kind: str, name: str, port: int) -> Side:
    """Our server with an engine."""
    command = [sys.executable, "-m", "services.classifier", "--store", store_url, "--port", str(port)]
    command += ["--metrics-port", "0", "--threads", str(THREADS), "--engine", engine, "--poll-s", "60"]
    return Side(name, kind, command, port)


def rivals(folder: Path, store_url: str, engine: str, scratch: Path) -> Iterator[Side]:
    """The rivals that are installed."""
    environ = {"BENCH_STORE": store_url, "BENCH_ENGINE": engine, "BENTOML_DO_NOT_TRACK": "1"}
    around = "the graph" if engine == "graph" else "our engine"
    if (python := folder / "litserve/bin/python").exists():
        command = [str(python), "-m", "bench.rivals.with_litserve", "7001"]
        yield Side(f"LitServe around {around}", "/predict:request", command, 7001, environ)
    if (program := folder / "bentoml/bin/bentoml").exists():
        command = [str(program), "serve", "bench.rivals.with_bentoml:Classify", "--port", "7101"]
        yield Side(f"BentoML around {around}", "/classify:images", command, 7101, environ)
    if (program := folder / "mlserver/bin/mlserver").exists():
        settings = scratch / f"mlserver-{engine}"
        settings.mkdir()
        write_settings(settings, 7201)
        yield Side(f"MLServer around {around}", "grpc-bytes", [str(program), "start", str(settings)], 7201, environ)


def measure(side: Side, image: Path, seconds: float, steady: float) -> None:
    """One window of each kind; the best counts. `steady`: calls a second at which all sides' times are compared."""
    before = core_s(side)
    full = load(side, image, CALLERS, seconds)
    if "answered" in full:
        served_ms = (core_s(side) - before) * 1e3 / full["answered"]
        side.core_ms = min(side.core_ms, served_ms + full["core_ms"])
    if full.get("rate", 0) > side.rate:
        side.rate, side.p99 = full["rate"], full["p99"]
    side.lone_p50 = min(side.lone_p50, load(side, image, 0, seconds / 2).get("p50", float("inf")))
    side.steady_p99 = min(side.steady_p99, load(side, image, CALLERS, seconds, steady).get("p99", float("inf")))


def core_s(side: Side) -> float:
    """Seconds of core time that a server and its children have used."""
    assert side.process is not None
    used = [process.cpu_times() for process in (side.process, *side.process.children(recursive=True))]
    return float(sum(times.user + times.system for times in used))


def picture() -> bytes:
    """A 512×512 JPEG with structure and noise, as a camera gives it."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (64, 64, 3)).astype(np.uint8))
    fine = np.asarray(coarse.resize((512, 512), Image.Resampling.BICUBIC)).astype(int)
    noisy = (fine + random.integers(-12, 13, (512, 512, 1))).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", type=Path, default=Path("/nowhere"))
    parser.add_argument("--around", choices=TITLES, default="graph")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steady", type=float, default=50.0, help="calls a second at which p99 is compared")
    parser.add_argument("--only", default="", help="sides whose name holds this; nothing is recorded")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        url = f"file://{scratch}/store"
        put_classifier(open_store(url), "bench", input_px=224, width=1.0)
        image = Path(scratch, "image.jpg")
        image.write_bytes(picture())
        echo = Side("gRPC alone", "grpc-bytes", [sys.executable, "-m", "bench.echo", "7401"], 7401)
        sides = [
            echo,
            ours(url, "openvino", "grpc-bytes", "ours, openvino", 7301),
            ours(url, "openvino", "grpc-fp32", "ours, openvino, float tensors in", 7301),
            *rivals(arguments.rivals, url, arguments.around, Path(scratch)),
        ]
        engines = ["openvino"]
        if arguments.around == "graph":
            sides += [
                ours(url, "tensorflow", "grpc-bytes", "ours, tensorflow (the graph)", 7304),
                ours(url, "tensorflow", "grpc-fp32", "ours, tensorflow (the graph), float tensors in", 7304),
                ours(url, "openvino-bf16", "grpc-bytes", "ours, openvino-bf16", 7303),
            ]
            engines += ["tensorflow", "openvino-bf16"]
        sides = [side for side in sides if arguments.only in side.name]
        bare = Bare(url, image, engines)
        with contextlib.closing(bare), running(sides, image):
            for _ in range(arguments.rounds):
                for engine in engines:
                    bare.measure(engine, arguments.seconds)
                for side in sides:
                    measure(side, image, arguments.seconds, arguments.steady)
                    print(side.name, side.rate, side.core_ms, side.p99, side.lone_p50, side.steady_p99)  # noqa: T201
                print(json.dumps(bare.best))  # noqa: T201
                if not arguments.only:
                    write(sides[1:], bare.best, echo.core_ms, arguments.steady, arguments.around)


def write(sides: list[Side], bounds: dict[str, dict[str, float]], echo_ms: float, steady: float, around: str) -> None:
    """The table in docs/benchmarks.md. `echo_ms`: core time of a call that is only answered, on both ends."""
    engines = {"openvino-bf16": "openvino-bf16", "openvino": "openvino", "tensorflow": "tensorflow"}
    rows = []
    for side in sides:
        engine = next((e for name, e in engines.items() if name in side.name), "")
        engine = engine or ("tensorflow" if "the graph" in side.name else "openvino")
        bound, floats = bounds[engine], "float" in side.name
        least = bound["compute_ms"] if floats else bound["both_ms"]
        lone = bound["lone_ms"] if floats else bound["lone_both_ms"]
        rows.append([
            side.name, f"{side.rate:.0f}", f"{side.p99:.0f}", f"{side.steady_p99:.0f}", f"{side.lone_p50:.1f}",
            f"{side.core_ms:.2f}", f"{least / side.core_ms:.2f}", f"{side.lone_p50 / lone:.2f}",
        ])  # fmt: skip
    costs = "; ".join(
        f"{engine}: {b['compute_ms']:.2f} ms of a core to compute at {b['compute_rate']:.0f} images/s, a lone image "
        f"{b['lone_ms']:.1f} ms on all cores, {b['lone_both_ms']:.1f} ms with its decoding before it"
        for engine, b in bounds.items()
    )
    ours, floats_in = sides[0], sides[1]
    beside = ""
    if around == "graph":
        graph = bounds["tensorflow"]
        share, lone = graph["both_ms"] / ours.core_ms, ours.lone_p50 / graph["lone_both_ms"]
        beside = (
            " Beside the bound of the compiled graph, around which the rivals are built, ours with openvino is at "
            f"{share:.2f}, a lone caller waits {lone:.2f} of decoding and the graph's bare call, float tensors come "
            f"at {floats_in.rate / graph['compute_rate']:.2f} of the bare graph's rate."
        )
    record(
        TITLES[around],
        COMMAND.format(around),
        ("server", "images/s", "p99 ms", f"p99 ms at {steady:.0f}/s", "p50 ms, one caller",
         "core ms an image", "of the bound", "p50 over decode and bare call"),
        rows,
        f"MobileNetV2 at 224, {CALLERS} callers in a process on the same {THREADS} cores, 512×512 JPEG of "
        f"{len(picture()) >> 10} KiB. Core ms: processor time of the server and of the callers; the machine had other "
        "work to do, which that time does not count, but rates and latencies do. Bound: the core time of decode and "
        "compute in a bare loop on all cores, with no server and no callers (float tensors: of compute). Sending and "
        f"answering alone, with nothing done, takes {echo_ms:.2f} ms of a core on both ends together. Decoding "
        f"takes {min(b['decode_ms'] for b in bounds.values()):.2f} ms of a core. {costs}.{beside}",
        ("tensorflow", "openvino", "grpcio", "pillow"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
