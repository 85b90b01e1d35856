"""Memory of a classifier that is served at full load for long: `python -m bench.soak --minutes 30 --write`.

Callers send batches of 1 to 16 JPEGs of 64 to 1,600 px in changing order, without a pause, and every minute a new
version of the model comes, which the service loads beside the old one and changes to. What it keeps of any of these
shows as a slope of its resident memory. The first third of the time is left out: memory that is freed is kept for the
next use, so it grows until there is enough.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
import psutil
from PIL import Image
from scipy import stats

from bench.bundle import put_classifier
from bench.load import inference_request
from bench.record import record
from defectory.api.inference.v2 import open_inference_pb2 as pb
from defectory.storage import ObjectStore, open_store

BATCHES = (1, 2, 3, 5, 8, 16)
SIDES_PX = (64, 160, 224, 512, 1024, 1600)
REQUESTS = 60  # different ones, sent over and over
CALLERS = 8
POLL_S = 2.0  # between two looks of the service for a new version
STARTS_WITHIN_S = 180.0


class Slope(NamedTuple):
    """Of a line through points, with its 95% interval by Student's t, a unit of y in a unit of x."""

    value: float
    low: float
    high: float


@dataclass
class Soak:
    """What is seen while it runs."""

    minutes: float
    swap_s: float
    seen: list[tuple[float, float]] = field(default_factory=list)  # (seconds since the beginning, MiB)
    images: Counter[str] = field(default_factory=Counter)  # by the version that answered
    failed: Counter[str] = field(default_factory=Counter)
    counting: threading.Lock = field(default_factory=threading.Lock)

    def periods(self) -> np.ndarray:
        """(P, 2): hours and mean MiB of each time between two versions, without the first third.

        Within such a time memory goes up and down with the load of a version; between them it should not.
        """
        seconds, mib = np.array(self.seen).T
        number = (seconds // self.swap_s).astype(int)
        whole = range(int(np.ceil(self.minutes * 20 / self.swap_s)), int(self.minutes * 60 // self.swap_s))
        return np.array(
            [((p + 0.5) * self.swap_s / 3600, mib[number == p].mean()) for p in whole if (number == p).any()]
        )


def slope(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> Slope:
    """Of the line with the least squares; not a number where there are fewer than three points."""
    if len(x) < 3:
        return Slope(np.nan, np.nan, np.nan)
    line = stats.linregress(x, y)
    half = stats.t.ppf(0.975, len(x) - 2) * line.stderr
    return Slope(float(line.slope), float(line.slope - half), float(line.slope + half))


def requests() -> list[bytes]:
    """Serialised requests of all sizes of batches, each of pictures of several sizes."""
    draw = np.random.default_rng(0)
    pictures = [_jpeg(draw, side) for side in SIDES_PX]
    sizes = [BATCHES[number % len(BATCHES)] for number in range(REQUESTS)]
    drawn = [[pictures[at] for at in draw.integers(0, len(pictures), size)] for size in sizes]
    return [inference_request("grpc-bytes", *batch) for batch in drawn]


def _jpeg(draw: np.random.Generator, side_px: int) -> bytes:
    coarse = Image.fromarray(draw.integers(0, 256, (16, 16, 3)).astype(np.uint8))
    buffer = io.BytesIO()
    coarse.resize((side_px, side_px), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@contextmanager
def serving(url: str) -> Iterator[tuple[psutil.Process, str]]:
    """A classifier's service on the store; gives its process and its address once it serves what is there."""
    command = [sys.executable, "-m", "services.classifier", "--store", url, "--role", "serve", "--port", "0",
               "--metrics-port", "0", "--poll-s", str(POLL_S)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
        try:
            line = service.stdout.readline() if service.stdout else ""
            if not line:
                sys.exit("the service did not start")
            yield psutil.Process(service.pid), json.loads(line)["listening"]
        finally:
            service.terminate()


def soak(store: ObjectStore, minutes: float, swap_s: float) -> Soak:
    """Serve, call, bring new versions, and look at the service's memory every second."""
    put_classifier(store, "bench", "1", input_px=224, width=1.0)
    running, over, sent = Soak(minutes, swap_s), threading.Event(), requests()
    with serving(store.url) as (process, address):
        first = range(0, len(sent), -(-len(sent) // CALLERS))  # each begins with another request
        busy = [threading.Thread(target=_call, args=(running, address, sent[n:] + sent[:n], over)) for n in first]
        busy.append(threading.Thread(target=_bring_versions, args=(store, swap_s, over)))
        for thread in busy:
            thread.start()
        begun = time.monotonic()
        while (seconds := time.monotonic() - begun) < minutes * 60:
            running.seen.append((seconds, process.memory_info().rss / 2**20))
            time.sleep(1)
        over.set()
        for thread in busy:
            thread.join()
    return running


def _bring_versions(store: ObjectStore, swap_s: float, over: threading.Event) -> None:
    begun, version = time.monotonic(), 1
    while not over.wait(begun + version * swap_s - time.monotonic()):
        version += 1
        put_classifier(store, "bench", str(version), seed=version, input_px=224, width=1.0)


def _call(running: Soak, address: str, sent: Sequence[bytes], over: threading.Event) -> None:
    """One caller: the requests in turn, each as soon as the one before is answered."""
    with grpc.insecure_channel(address) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        number = 0
        while not over.is_set():
            try:
                answer = pb.ModelInferResponse.FromString(infer(sent[number % len(sent)], timeout=60))
                with running.counting:
                    running.images[answer.model_version] += answer.outputs[0].shape[0]
            except grpc.RpcError as error:
                with running.counting:
                    running.failed[error.code().name] += 1
            number += 1


def main() -> int:
    """Soak, print, and say by the exit code whether a call failed or memory grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--swap-s", type=float, default=60.0, help="seconds between two versions")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        running = soak(open_store(Path(folder, "store").as_uri()), asked.minutes, asked.swap_s)
    points = running.periods()
    grows = slope(*points.T)
    images, failed = sum(running.images.values()), sum(running.failed.values())
    row = [
        f"{asked.minutes:g}", f"{images:,}", str(len(running.images)), str(failed), f"{points[:, 1].mean():.0f}",
        f"{grows.value:+.1f} ({grows.low:+.1f} to {grows.high:+.1f})",
    ]  # fmt: skip
    columns = (
        "minutes",
        "images",
        "versions that answered",
        "failed calls",
        "MiB resident",
        "MiB an hour (95% interval)",
    )
    sys.stdout.write("\n".join(f"{name}: {cell}" for name, cell in zip(columns, row, strict=True)) + "\n")
    if running.failed:
        sys.stdout.write(f"failed: {dict(running.failed)}\n")
    if asked.write:
        notes = (
            f"MobileNetV2 at 224 px, {CALLERS} callers without a pause, batches of {BATCHES[0]} to {BATCHES[-1]} JPEGs "
            f"of {SIDES_PX[0]} to {SIDES_PX[-1]:,} px in changing order, a new version every {asked.swap_s:g} s. The "
            f"slope is that of a line through the mean of each time between two versions, {len(points)} of them, "
            "without the first third of the time."
        )
        command = f"python -m bench.soak --minutes {asked.minutes:g} --write"
        record("Memory at full load for long", command, columns, [row], notes, ("openvino", "grpcio"))
    return int(failed > 0 or grows.low > 0)


if __name__ == "__main__":
    sys.exit(main())
