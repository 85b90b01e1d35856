"""Decode and compute without a server: `python -m bench.bare STORE IMAGE THREADS ENGINE…` prints JSON."""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from defectory.imaging import network_input_of
from defectory.storage import open_store
from services.classifier.bundle import read_bundle
from services.classifier.serving.engine import check_engine, make_engine, reference
from services.classifier.serving.engine_interface import Engine
from services.classifier.serving.tensorflow_engine import limit_tensorflow


def rate(work: Callable[[], int], threads: int, seconds: float) -> float:
    """Images a second of a work done over and over on so many threads."""
    done = [0] * threads
    end = time.perf_counter() + seconds

    def loop(number: int) -> None:
        while time.perf_counter() < end:
            done[number] += work()

    workers = [threading.Thread(target=loop, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / seconds


def typical(work: Callable[[], object], seconds: float) -> float:
    """Median milliseconds of a call by a lone caller."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


def measure(engine: Engine, content: bytes, size_px: int, threads: int, seconds: float) -> dict[str, float]:
    """Rates in images a second, times in milliseconds."""
    batch = np.repeat(network_input_of(content, size_px)[None].astype(np.float32), engine.batch, axis=0)

    def compute() -> int:
        engine.run(batch, False)
        return len(batch)

    def both() -> int:
        pixels = np.stack([network_input_of(content, size_px) for _ in range(engine.batch)]).astype(np.float32)
        engine.run(pixels, False)
        return len(pixels)

    def lone() -> None:
        engine.run(network_input_of(content, size_px)[None].astype(np.float32), True)

    begun = time.process_time()
    both_rate = rate(both, engine.parallel, seconds)
    both_ms = (time.process_time() - begun) / (both_rate * seconds) * 1e3
    begun = time.process_time()
    compute_rate = rate(compute, engine.parallel, seconds / 2)
    used = time.process_time() - begun
    return {
        "rate": both_rate,
        "both_ms": both_ms,
        "compute_rate": compute_rate,
        "compute_ms": used / (compute_rate * seconds / 2) * 1e3,
        "decode_ms": typical(lambda: network_input_of(content, size_px), seconds / 4),
        "lone_ms": typical(lambda: engine.run(batch[:1], True), seconds / 4),
        "lone_both_ms": typical(lone, seconds / 2),
    }


def main() -> None:
    """Measure as the command line says, a window for every line of standard input: `ENGINE SECONDS`."""
    store_url, file, threads, *names = sys.argv[1:]
    if "tensorflow" in names:
        limit_tensorflow(int(threads))
    card, weights = read_bundle(open_store(store_url), "bench")
    size_px, content, engines = card.architecture.input_px, Path(file).read_bytes(), {}
    for name in names:
        engines[name] = make_engine(name, card.architecture, weights, int(threads))  # type: ignore[arg-type]
        check_engine(engines[name], reference(card.architecture, weights), size_px, name)
    for line in sys.stdin:
        name, seconds = line.split()
        print(json.dumps(measure(engines[name], content, size_px, int(threads), float(seconds))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
