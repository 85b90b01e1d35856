"""The classifier's training beside a bare `model.fit` of the same network: `python -m bench.classifier`.

Ours reads its images from a store, decodes them and trains, as a training does; `fit` has them in memory. Each runs in
a process of its own, since ours asks TensorFlow for determinism and `fit` shall not pay for that; they take turns.
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from bench.record import record
from defectory.datasets.manifest import image_key, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.imaging import encode_png
from defectory.storage import open_store

IMAGES, SIZE_PX, BATCH, EPOCHS, ROUNDS = 64, 96, 32, 2, 4


def main() -> int:
    """Run both in turn and record."""
    if len(sys.argv) > 1:
        return serve(*sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        url = f"file://{folder}"
        _make_dataset(url)
        ours, bare = _Runner("ours", url), _Runner("bare", url)
        pairs = [(ours.seconds(), bare.seconds()) for _ in range(ROUNDS)]
        ours.close()
        bare.close()
        rates = [IMAGES * EPOCHS / min(times) for times in zip(*pairs, strict=True)]
        ratios = [theirs / our for our, theirs in pairs]
        spread = f"{min(ratios):.2f}× to {max(ratios):.2f}×"
        row = [f"{rates[0]:.0f}", f"{rates[1]:.0f}", f"{median(ratios):.2f}×", spread]
    notes = (
        f"MobileNetV2 with the paper's head at {SIZE_PX} px, batch {BATCH}, Adam, focal loss; {IMAGES} images, "
        f"{EPOCHS} epochs a round, {ROUNDS} rounds in turn. Ours includes reading and decoding the images in every "
        "round; all of the base is trained. Rates are the best round's, the ratio is the median over the rounds."
    )
    columns = ["ours images/s", "`model.fit` images/s", "ratio", "rounds"]
    packages = ("tensorflow", "keras", "numpy")
    sys.stdout.write(record("Training the classifier", "python -m bench.classifier", columns, [row], notes, packages))
    return 0


class _Runner:
    """A process that does its work once for every line it is sent, and answers with the seconds."""

    def __init__(self, who: str, url: str) -> None:
        command = [sys.executable, "-m", "bench.classifier", who, url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()  # it is ready

    def _answer(self) -> float:
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())

    def seconds(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve(who: str, url: str) -> int:
    """Do the work of one side once to have it compiled, then whenever asked; answer with the seconds."""
    work = {"ours": _ours, "bare": _bare}[who](url)
    asked = True
    while asked:
        started = time.perf_counter()
        work()
        sys.stdout.write(f"{time.perf_counter() - started}\n")
        sys.stdout.flush()
        asked = bool(sys.stdin.readline())
    return 0


def _ours(url: str) -> Callable[[], None]:
    from services.classifier.card import Preprocessing
    from services.classifier.data import label_indices, load_images
    from services.classifier.settings import training_settings
    from services.classifier.training.order import Drawable, batches
    from services.classifier.training.schedule import Schedule
    from services.classifier.training.trainer import Trainer

    store = open_store(url)
    lines = read_manifest(store, store.uri("datasets/bench/manifest.jsonl"))
    settings = training_settings({"recipe": "paper", "batch": BATCH, "initial_weights": "random"}, SIZE_PX)
    trainer = Trainer(_architecture(), settings, np.ones(2))
    schedule = Schedule(settings, len(lines))

    def work() -> None:
        images = load_images(store, lines, SIZE_PX, Preprocessing())
        labels = label_indices(images.lines, ("defect", "good"))
        for epoch in range(EPOCHS):
            order = batches(
                Drawable.of(lines, labels),
                epoch=epoch,
                steps=schedule.steps,
                batch=BATCH,
                real_share=None,
                seed=0,
            )
            for chosen in order:
                trainer.train(images.pixels[chosen], labels[chosen], 0.0, None)

    return work


def _bare(url: str) -> Callable[[], None]:
    import keras

    from services.classifier.card import Preprocessing
    from services.classifier.data import label_indices, load_images
    from services.classifier.model import build

    store = open_store(url)
    lines = read_manifest(store, store.uri("datasets/bench/manifest.jsonl"))
    images = load_images(store, lines, SIZE_PX, Preprocessing())
    pixels = images.pixels.astype(np.float32)
    one_hot = np.eye(2, dtype=np.float32)[label_indices(images.lines, ("defect", "good"))]
    network = build(_architecture())
    loss = keras.losses.CategoricalFocalCrossentropy(alpha=1.0)
    network.model.compile(keras.optimizers.Adam(1e-5), loss, metrics=["accuracy"])

    def work() -> None:
        network.model.fit(pixels, one_hot, batch_size=BATCH, epochs=EPOCHS, verbose=0)

    return work


def _architecture():  # type: ignore[no-untyped-def]
    from services.classifier.architecture import Architecture

    return Architecture(labels=("defect", "good"), input_px=SIZE_PX)


def _make_dataset(url: str) -> None:
    store, random = open_store(url), np.random.default_rng(0)
    lines = []
    for number in range(IMAGES):
        coarse = random.integers(0, 256, (16, 16, 3)).astype(np.uint8)
        data = encode_png(coarse.repeat(SIZE_PX // 16, axis=0).repeat(SIZE_PX // 16, axis=1))
        sha256 = hashlib.sha256(data).hexdigest()
        store.put(image_key("bench", sha256), data)
        lines.append(
            ManifestLine(
                file=PictureFile(
                    uri=store.uri(image_key("bench", sha256)), sha256=sha256, width=SIZE_PX, height=SIZE_PX
                ),
                origin=Origin(source=Path("bench", f"{number}").name),
                label=("defect", "good")[number % 2],
                split="train",
            )
        )
    write_dataset(store, "bench", lines, {})


if __name__ == "__main__":
    sys.exit(main())
