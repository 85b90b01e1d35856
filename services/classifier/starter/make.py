"""Makes the starter classifier anew: draws pictures, trains on them, writes the files that are shipped.

    python -m services.classifier.starter.make --work /tmp/starter

The same command again goes on where it was.
"""

import argparse
import hashlib
import math
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from defectory.machine import processor
from defectory.versions import installed_version
from services.classifier import starter
from services.classifier.settings import STARTER_WIDTH
from services.classifier.starter.drawing import CELLS, QUESTIONS, SIDE_PX, draw

IMAGES, HELD_OUT = 4_000, 500
SEED, BATCH, STEPS, LEARNING_RATE = 0, 32, 4_000, 2e-3
WEIGHT_DECAY, SMOOTHING = 1e-4, 0.05
MOMENTUM = 0.98  # of the batch normalisation: Keras' 0.999 would still remember where it began
SAVE_EVERY = 50  # steps
LEARNED_FROM = (
    "drawn surfaces and parts, single and laid out, with one fault or none (drawing.py); no cables, no photograph"
)


def main() -> None:
    """Draw, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="where pictures and checkpoints go")
    parser.add_argument("--images", type=int, default=IMAGES, help="pictures to draw")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=Path(starter.__file__).parent)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    images, answers = _pictures(given.work, given.images + HELD_OUT)
    pretraining = Pretraining(given.work / "checkpoint.npz", given.steps)
    pretraining.run(images[: given.images], answers[: given.images])
    accuracy = pretraining.accuracy(images[given.images :], answers[given.images :])
    data = starter.dump({weight.path: weight.numpy() for weight in pretraining.base.weights})
    card = starter.StarterCard(
        width_multiplier=STARTER_WIDTH,
        input_px=SIDE_PX,
        learned_from=LEARNED_FROM,
        images=given.images,
        seed=SEED,
        batch=BATCH,
        steps=given.steps,
        learning_rate=LEARNING_RATE,
        accuracy=accuracy,
        seconds=round(pretraining.seconds),
        computed_by=processor(),
        packages={package: installed_version(package) for package in ("tensorflow", "keras", "numpy", "pillow")},
        sha256=hashlib.sha256(data).hexdigest(),
    )
    starter.write(given.out, data, card)
    sys.stdout.write(card.model_dump_json(indent=2) + "\n")


class Pretraining:
    """A base with one dense layer a question, trained from nothing, batch normalisation and all.

    Attributes:
        base: MobileNetV2 without its top.
        seconds: that the training has taken, over all its pieces.
    """

    def __init__(self, checkpoint: Path, steps: int) -> None:
        self._checkpoint, self._steps, self.seconds = checkpoint, steps, 0.0
        keras.utils.set_random_seed(SEED)
        self.base = keras.applications.MobileNetV2(
            input_shape=(SIDE_PX, SIDE_PX, 3), alpha=STARTER_WIDTH, include_top=False, weights=None
        )
        for layer in self.base.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
        images = keras.Input((SIDE_PX, SIDE_PX, 3))
        features = self.base(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images))
        pooled = keras.layers.Dropout(0.2, seed=SEED)(keras.layers.GlobalAveragePooling2D()(features))
        self._model = keras.Model(images, [keras.layers.Dense(n, name=name)(pooled) for name, n in QUESTIONS.items()])
        self._optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self._optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self._optimizer.build(self._model.trainable_variables)
        self._step = tf.function(self._train, reduce_retracing=True)

    def run(self, images: np.ndarray, answers: np.ndarray) -> None:
        """Take all steps, or those that are left; keep the state every now and then."""
        first = self._load()
        started, spent = time.monotonic(), self.seconds
        for step in range(first, self._steps):
            rng = np.random.default_rng([SEED, step])
            chosen = rng.integers(len(images), size=BATCH)
            batch, right = turned(images[chosen], answers[chosen], rng)
            self._optimizer.learning_rate.assign(_rate(step / self._steps))
            losses = self._step(tf.cast(batch, tf.float32), right)
            self.seconds = spent + time.monotonic() - started
            if (step + 1) % SAVE_EVERY == 0:
                self._save(step + 1)
                shown = ", ".join(f"{name} {value:.2f}" for name, value in zip(QUESTIONS, losses.numpy(), strict=True))
                sys.stdout.write(f"step {step + 1} of {self._steps}, {self.seconds:.0f} s: {shown}\n")
                sys.stdout.flush()

    def accuracy(self, images: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        """Share of right answers to each question."""
        answer = tf.function(lambda x: self._model(x, training=False), reduce_retracing=True)
        parts = [answer(tf.cast(images[start : start + 100], tf.float32)) for start in range(0, len(images), 100)]
        given = [
            np.concatenate([part[number].numpy() for part in parts]).argmax(axis=1) for number in range(len(QUESTIONS))
        ]
        return {
            name: round(float((chosen == answers[:, number]).mean()), 3)
            for number, (name, chosen) in enumerate(zip(QUESTIONS, given, strict=True))
        }

    def _train(self, images: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            given = self._model(images, training=True)
            losses = tf.stack([_cross_entropy(logits, answers[:, number]) for number, logits in enumerate(given)])
            loss = tf.reduce_sum(losses)
        variables = self._model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return losses

    def _variables(self) -> list[keras.Variable]:
        return [*self._model.variables, *self._optimizer.variables]

    def _save(self, step: int) -> None:
        part = self._checkpoint.with_name("part.npz")
        np.savez(part, progress=np.array([step, self.seconds]), **{
            str(number): variable.numpy() for number, variable in enumerate(self._variables())
        })  # fmt: skip
        os.replace(part, self._checkpoint)  # noqa: PTH105  # the same as Path.replace, and says what matters

    def _load(self) -> int:
        """The step to go on from; 0 without a checkpoint."""
        if not self._checkpoint.exists():
            return 0
        with np.load(self._checkpoint, allow_pickle=False) as kept:
            for number, variable in enumerate(self._variables()):
                variable.assign(kept[str(number)])
            self.seconds = float(kept["progress"][1])
            return int(kept["progress"][0])


def turned(images: np.ndarray, answers: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images mirrored and turned by quarters at random, and the answers with the place where the fault is then.

    Args:
        images: (N, side, side, 3). answers: (N, questions), the place last.
    """
    cells = np.arange(CELLS * CELLS).reshape(CELLS, CELLS)
    images, answers = images.copy(), answers.copy()
    for number, (mirror, quarters) in enumerate(
        zip(rng.integers(2, size=len(images)), rng.integers(4, size=len(images)), strict=True)
    ):
        image, moved = images[number], cells
        if mirror:
            image, moved = image[:, ::-1], moved[:, ::-1]
        images[number], moved = np.rot90(image, quarters), np.rot90(moved, quarters)
        place = answers[number, -1]
        if place < CELLS * CELLS:
            answers[number, -1] = int(np.flatnonzero(moved.ravel() == place)[0])
    return images, answers


def _cross_entropy(logits: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
    """Of one question, with label smoothing, over the batch."""
    count = logits.shape[-1]
    targets = tf.one_hot(answers, count) * (1 - SMOOTHING) + SMOOTHING / count
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def _rate(progress: float) -> float:
    """The learning rate when so much of the steps, in [0, 1), is behind."""
    warm = 0.05
    if progress < warm:
        return LEARNING_RATE * (progress + 1e-3) / (warm + 1e-3)
    return LEARNING_RATE * (1 + math.cos(math.pi * (progress - warm) / (1 - warm))) / 2


def _pictures(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(images, answers) of the seeds below `count`, drawn once and kept in the folder."""
    file = folder / f"drawn-{count}.npz"
    if not file.exists():
        with get_context("spawn").Pool() as pool:
            drawn = pool.map(_draw, range(count), chunksize=100)
        images, answers = np.stack([image for image, _ in drawn]), np.array([answer for _, answer in drawn], np.int32)
        part = folder / "part.npz"
        np.savez(part, images=images, answers=answers)
        part.rename(file)
    with np.load(file, allow_pickle=False) as kept:
        return kept["images"], kept["answers"]


def _draw(seed: int) -> tuple[np.ndarray, Sequence[int]]:
    drawn = draw(seed)
    return drawn.image, drawn.answers


if __name__ == "__main__":
    main()
