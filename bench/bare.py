"""Decode and compute without a server: `python -m bench.bare STORE IMAGE ENGINE THREADS SECONDS` prints JSON."""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from defectory.imaging import network_input_of
from defectory.storage import open_store
from services.classifier.bundle import load
from services.classifier.serving.engine import Engine, check_engine, make_engine


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


def fastest(work: Callable[[], object], seconds: float) -> float:
    """Milliseconds of the fastest tenth of calls: what a call takes when nothing disturbs it."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.percentile(times, 10)) * 1e3


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

    both_rate = rate(both, threads, seconds)
    begun = time.process_time()
    compute_rate = rate(compute, engine.parallel, seconds / 2)
    used = time.process_time() - begun
    return {
        "rate": both_rate,
        "compute_rate": compute_rate,
        "compute_ms": used / (compute_rate * seconds / 2) * 1e3,
        "decode_ms": fastest(lambda: network_input_of(content, size_px), seconds / 4),
        "lone_ms": fastest(lambda: engine.run(batch[:1], True), seconds / 4),
    }


def main() -> None:
    """Measure as the command line says."""
    store_url, file, name, threads, seconds = sys.argv[1:]
    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    card, network = load(open_store(store_url), "bench")
    engine = make_engine(name, network, int(threads))  # type: ignore[arg-type]
    size_px = card.architecture.input_px
    check_engine(engine, lambda images: np.asarray(network.model(images, training=False)), size_px, "bench")
    found = measure(engine, Path(file).read_bytes(), size_px, int(threads), float(seconds))
    print(json.dumps(found))  # noqa: T201 - a script's answer


if __name__ == "__main__":
    main()
