"""Ours beside LitServe, BentoML and MLServer, on one machine: 512×512 JPEGs into MobileNetV2 at 224, 32 callers.

    python -m bench.serving [--rivals FOLDER] [--seconds 4] [--rounds 2]

FOLDER holds a virtual environment for each rival, as `bash bench/rivals/install.sh FOLDER` makes them. Every window
starts after a second of warming up; the bare loop (decode and compute, nothing else, on as many cores) is the bound.
Rounds alternate over all sides and the best window of each counts, since noise of the machine only ever takes away.
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
from dataclasses import dataclass
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
COMMAND = "python -m bench.serving --rivals FOLDER"
START_S = 180.0


@dataclass
class Side:
    """One server under load, and what was measured of it: the best of every window."""

    name: str
    kind: str  # of bench.load
    command: list[str]
    port: int
    environ: dict[str, str]
    rate: float = 0.0
    p99: float = float("inf")
    lone_p50: float = float("inf")
    steady_p99: float = float("inf")

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self, image: Path) -> Iterator[None]:
        """Be served, warm."""
        environ = {**os.environ, **self.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.Popen(
            self.command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + START_S
            while "rate" not in (found := load(self, image, 4, 0.5)):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"{self.name} does not answer: {found}")
                time.sleep(1)
            yield
        finally:
            children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            for child in [process, *children]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.terminate()
            process.wait(60)


def load(side: Side, image: Path, callers: int, seconds: float, rate: float = 0) -> dict[str, float]:
    """A window of load; {} with a reason where it failed."""
    arguments = [side.kind, side.address, str(image), str(callers), str(seconds), str(rate)]
    command = [sys.executable, "-m", "bench.load", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr[-300:]}  # type: ignore[dict-item]


def bare(store_url: str, image: Path, engine: str, seconds: float) -> dict[str, float]:
    """The bound, in a process of its own: see bench.bare."""
    command = [sys.executable, "-m", "bench.bare", store_url, str(image), engine, str(THREADS), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def ours(store_url: str, engine: str, kind: str, name: str, port: int) -> Side:
    """Our server with an engine."""
    command = [sys.executable, "-m", "services.classifier", "--store", store_url, "--port", str(port)]
    command += ["--metrics-port", "0", "--threads", str(THREADS), "--engine", engine, "--poll-s", "5"]
    return Side(name, kind, command, port, {})


def rivals(folder: Path, store_url: str, engine: str, scratch: Path) -> Iterator[Side]:
    """The rivals that are installed."""
    environ = {"BENCH_STORE": store_url, "BENCH_ENGINE": engine, "BENTOML_DO_NOT_TRACK": "1"}
    around = "the graph" if engine == "graph" else "our engine"
    if (python := folder / "litserve/bin/python").exists():
        command = [str(python), "-m", "bench.rivals.with_litserve", "7001"]
        yield Side(f"LitServe around {around}", "/predict:request", command, 7001, environ)
    if (program := folder / "bentoml/bin/bentoml").exists():
        command = [str(program), "serve", "bench.rivals.with_bentoml:Classify", "--port", "7101"]
        yield Side(f"BentoML around {around}", "/classify:image", command, 7101, environ)
    if (program := folder / "mlserver/bin/mlserver").exists():
        settings = scratch / f"mlserver-{engine}"
        settings.mkdir()
        write_settings(settings, 7201)
        yield Side(f"MLServer around {around}", "grpc-bytes", [str(program), "start", str(settings)], 7201, environ)


def measure(side: Side, image: Path, seconds: float, steady: float) -> None:
    """One window of each kind; the best counts. `steady`: calls a second at which all sides' times are compared."""
    with side.running(image):
        full = load(side, image, CALLERS, seconds)
        if full.get("rate", 0) > side.rate:
            side.rate, side.p99 = full["rate"], full["p99"]
        side.lone_p50 = min(side.lone_p50, load(side, image, 1, seconds / 2).get("p50", float("inf")))
        if steady:
            side.steady_p99 = min(side.steady_p99, load(side, image, CALLERS, seconds, steady).get("p99", float("inf")))


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
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steady", type=float, default=40.0, help="calls a second at which p99 is compared")
    parser.add_argument("--only", default="", help="sides whose name holds this; nothing is recorded")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        url = f"file://{scratch}/store"
        put_classifier(open_store(url), "bench", input_px=224, width=1.0)
        image = Path(scratch, "image.jpg")
        image.write_bytes(picture())
        sides = [
            ours(url, "openvino", "grpc-bytes", "ours, openvino", 7301),
            ours(url, "openvino", "grpc-fp32", "ours, openvino, float tensors in", 7302),
            ours(url, "openvino-bf16", "grpc-bytes", "ours, openvino-bf16", 7303),
            ours(url, "tensorflow", "grpc-bytes", "ours, tensorflow (the graph)", 7304),
            *rivals(arguments.rivals, url, "graph", Path(scratch)),
            *rivals(arguments.rivals, url, "openvino", Path(scratch)),
        ]
        sides = [side for side in sides if arguments.only in side.name]
        bounds: dict[str, dict[str, float]] = {}
        for _ in range(arguments.rounds):
            for engine in ("openvino", "openvino-bf16", "tensorflow"):
                found = bare(url, image, engine, arguments.seconds)
                known = bounds.get(engine, {})
                pick = {key: max if key.endswith("rate") else min for key in found}
                bounds[engine] = {key: pick[key](value, known.get(key, value)) for key, value in found.items()}
            for side in sides:
                measure(side, image, arguments.seconds, arguments.steady)
                print(side.name, round(side.rate, 1), round(side.p99), round(side.lone_p50, 1), round(side.steady_p99))  # noqa: T201
        print(json.dumps(bounds))  # noqa: T201
        if not arguments.only:
            write(sides, bounds, arguments.steady)


def write(sides: list[Side], bounds: dict[str, dict[str, float]], steady: float) -> None:
    """The table in docs/benchmarks.md."""
    engines = {"openvino-bf16": "openvino-bf16", "openvino": "openvino", "tensorflow": "tensorflow"}
    rows = []
    for side in sides:
        engine = next((e for name, e in engines.items() if name in side.name), "")
        engine = engine or ("tensorflow" if "the graph" in side.name else "openvino")
        bound, floats = bounds[engine], "float" in side.name
        rate = bound["compute_rate"] if floats else bound["rate"]
        lone = bound["lone_ms"] if floats else bound["lone_ms"] + bound["decode_ms"]
        rows.append([
            side.name, f"{side.rate:.0f}", f"{side.p99:.0f}", f"{side.steady_p99:.0f}", f"{side.lone_p50:.1f}",
            f"{rate:.0f}", f"{side.rate / rate:.2f}", f"{side.lone_p50 / lone:.2f}",
        ])  # fmt: skip
    costs = "; ".join(
        f"{engine}: {b['compute_ms']:.2f} ms of a core to compute, {b['lone_ms']:.1f} ms alone on all cores"
        for engine, b in bounds.items()
    )
    record(
        "Serving beside LitServe, BentoML and MLServer",
        COMMAND,
        ("server", "images/s", "p99 ms", f"p99 ms at {steady:.0f}/s", "p50 ms, one caller", "bare loop images/s",
         "of the bare loop", "p50 over decode and bare call"),
        rows,
        f"MobileNetV2 at 224, {CALLERS} callers in a process on the same {THREADS} cores, 512×512 JPEG of "
        f"{len(picture()) >> 10} KiB; the callers' own cost is inside. Bare loop: decode and compute on all cores with "
        "no server and no callers. Decoding takes "
        f"{min(b['decode_ms'] for b in bounds.values()):.2f} ms of a core. {costs}.",
        ("tensorflow", "openvino", "grpcio", "pillow"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
