"""Explaining beside the bare forward pass and beside one image at a time: `python -m bench.explainer`.

The loop is what the Keras guide on Grad-CAM does: a model that gives the target layer and the prediction, run eagerly
on one image, and a gradient tape around all of it.
"""

import argparse
import sys
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bench.record import record
from services.classifier.architecture import Architecture
from services.classifier.model import Network, build
from services.explainer.cam import Cam
from services.explainer.methods import METHODS

COMMAND = "python -m bench.explainer"
COLUMNS = ("work", "images/s", "of the forward pass", "times the loop", "at least")
BATCH = 32


def main() -> None:
    """Measure in turns and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=224, help="side of the images, px")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--no-record", action="store_true", help="only print")
    given = parser.parse_args()
    network = build(Architecture(labels=("defect", "good"), input_px=given.size))
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, given.size, given.size, 3)).astype(np.uint8)
    forward = tf.function(lambda x: network.model(tf.cast(x, tf.float32), training=False))
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "forward pass, one graph": (lambda: forward(tf.constant(pixels)).numpy(), BATCH)
    }
    for method in METHODS:
        calls[method] = (_explaining(Cam(network, method), pixels), BATCH)
    loop = guides_loop(network)
    calls["the Keras guide's loop, an image at a time"] = (lambda: [loop(x) for x in pixels[:2]], 2)
    rates = _rates(calls, given.rounds)
    base, slowest = rates["forward pass, one graph"], rates["the Keras guide's loop, an image at a time"]
    wanted = {"grad-cam": "0.9, 20×"}
    rows = [
        [name, f"{rate:.1f}", f"{rate / base:.2f}", f"{rate / slowest:.1f}×", wanted.get(name, "–")]
        for name, rate in rates.items()
    ]
    for row in rows:
        sys.stdout.write(" | ".join(row) + "\n")
    if not given.no_record:
        notes = (
            f"MobileNetV2 at {given.size} px, batch {BATCH}, decision and heat of every image. Best of {given.rounds} "
            "rounds in which all take turns."
        )
        record("Explaining beside the forward pass", COMMAND, COLUMNS, rows, notes, packages=("tensorflow", "keras"))


def _explaining(cam: Cam, pixels: np.ndarray) -> Callable[[], object]:
    return lambda: cam.heats(pixels)


def guides_loop(network: Network) -> Callable[[np.ndarray], np.ndarray]:
    """Grad-CAM of one image, without a graph and with the gradient tape around the whole network."""
    both = keras.Model(network.model.inputs, [network.backbone.output, network.head(network.backbone.output)])

    def explain(image: np.ndarray) -> np.ndarray:
        with tf.GradientTape() as tape:
            activations, predictions = both(image[None].astype(np.float32))
            chosen = predictions[:, tf.argmax(predictions[0])]
        weights = tf.reduce_mean(tape.gradient(chosen, activations), axis=(0, 1, 2))
        heat = tf.maximum(tf.squeeze(activations[0] @ weights[:, None]), 0)
        return np.asarray(tf.math.divide_no_nan(heat, tf.reduce_max(heat)))

    return explain


def _rates(calls: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, float]:
    """Images a second of each call, the best of all rounds; the first one only warms up."""
    best: dict[str, float] = {}
    for number in range(rounds + 1):
        for name, (call, images) in calls.items():
            start = time.perf_counter()
            call()
            if number:
                best[name] = max(best.get(name, 0), images / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    main()
