"""What every rival computes with: the same decoding, the same weights, as a compiled graph or our own engine."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from defectory.imaging import network_input_of
from defectory.storage import open_store
from services.classifier.bundle import load, read_bundle
from services.classifier.serving.engine import make_engine

SIZE, THREADS = 224, 2


def decode(content: bytes) -> np.ndarray:
    """uint8 (224, 224, 3) of a file."""
    return network_input_of(content, SIZE)


def compute() -> Callable[[np.ndarray], np.ndarray]:
    """What makes probabilities (N, 2) of uint8 (N, 224, 224, 3); BENCH_ENGINE: graph or openvino."""
    store = open_store(os.environ["BENCH_STORE"])
    if os.environ["BENCH_ENGINE"] == "graph":
        answer = load(store, "bench")[1].answer
        return lambda images: answer(tf.cast(images, tf.float32)).numpy()
    card, weights = read_bundle(store, "bench")
    engine, pool = make_engine("openvino", card.architecture, weights, THREADS), ThreadPoolExecutor(THREADS)

    def run(images: np.ndarray) -> np.ndarray:
        images = images.astype(np.float32)
        if len(images) == 1:
            return engine.run(images, True)
        share = min(engine.batch, -(-len(images) // THREADS))
        parts = [images[i : i + share] for i in range(0, len(images), share)]
        return np.concatenate(list(pool.map(lambda part: engine.run(part, False), parts)))

    return run
