"""What the starter classifier is worth: `python -m bench.starter [--weights FILE]`.

A linear probe (logistic regression on the frozen base's pooled features) tells good from defective, on drawn cables and
on photographs of magnetic tiles, neither of which the starter saw; beside it stand a random base and, where the file is
given, ImageNet's.
"""

import argparse
import csv
import io
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.record import record
from defectory.datasets.splits import split_by_group
from defectory.imaging import network_input_of
from orchestrator.cables.drawing import KINDS, draw_cable
from services.classifier import starter
from services.classifier.architecture import Architecture
from services.classifier.model import build
from services.classifier.weights import load_imagenet

PAGE = Path(starter.__file__).with_name("README.md")
INPUT_PX, SQUARE_PX, SPLITS = 96, 64, 5
STRENGTH = 0.01  # inverse of the regularisation: there are more features than images
CABLES = 360  # a third of them faulty
FIRST_CABLE = 10**6  # seed; no run of `defectory cables` draws these


@dataclass(frozen=True)
class Task:
    """Images as the network takes them, whether each shows a defect, and what it shows a part of."""

    name: str
    images: np.ndarray  # (N, INPUT_PX, INPUT_PX, 3) uint8
    labels: list[str]
    groups: list[str]


def main() -> int:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, help="ImageNet weights of MobileNetV2 without its top")
    weights = parser.parse_args().weights
    embedders = {"random weights": _embedder(), "starter": _embedder(starter.load)}
    if weights:
        embedders["ImageNet"] = _embedder(imagenet=weights)
    tasks = [_cables(), *_tiles(Path(os.environ.get("DEFECTORY_SHARED", "../shared")) / "data/magnetic_tile")]
    rows = [[f"{task.name}, {len(task.labels)} images", *_scores(task, embedders)] for task in tasks]
    notes = (
        f"Macro-F1 on test images, mean and standard deviation over {SPLITS} splits by part; squares of "
        f"{SQUARE_PX} px, enlarged to {INPUT_PX} px."
    )
    given = " --weights FILE" if weights else ""
    sys.stdout.write(
        record(
            "What it is worth", f"python -m bench.starter{given}", ["good or defective", *embedders], rows, notes,
            ("tensorflow", "keras", "scikit-learn"), to=PAGE,
        )
    )  # fmt: skip
    return 0


def _embedder(load: Callable[..., None] | None = None, imagenet: Path | None = None) -> Callable[..., np.ndarray]:
    network = build(Architecture(labels=("good", "defect"), input_px=INPUT_PX))
    if load:
        load(network.base)
    if imagenet:
        load_imagenet(network, 1.0, {"weights": str(imagenet)})
    return lambda images: network.embed.predict(images.astype(np.float32), batch_size=64, verbose=0)


def _cables() -> Task:
    kinds = ["good" if number % 3 else KINDS[1 + number // 3 % (len(KINDS) - 1)] for number in range(CABLES)]
    images = []
    for number, kind in enumerate(kinds):
        buffer = io.BytesIO()
        Image.fromarray(draw_cable(FIRST_CABLE + number, kind, 128).image).save(buffer, "PNG")
        images.append(_input(buffer.getvalue()))
    labels = ["good" if kind == "good" else "defect" for kind in kinds]
    return Task("drawn cables", np.stack(images), labels, [str(number) for number in range(CABLES)])


def _tiles(root: Path) -> list[Task]:
    if not root.is_dir():
        return []
    with (root / "tiles.csv").open() as file:
        rows = list(csv.DictReader(file))
    labels = ["good" if Path(row["image"]).parent.name == "good" else "defect" for row in rows]
    images = np.stack([_input((root / row["image"]).read_bytes()) for row in rows])
    return [Task("photographs of magnetic tiles", images, labels, [row["tile"] for row in rows])]


def _input(data: bytes) -> np.ndarray:
    return network_input_of(data, INPUT_PX, 50_000_000, square_px=SQUARE_PX, fit="stretch")


def _scores(task: Task, embedders: Mapping[str, Callable[..., np.ndarray]]) -> list[str]:
    return [_score(task, embed(task.images)) for embed in embedders.values()]


def _score(task: Task, features: np.ndarray) -> str:
    """Mean and deviation of the macro-F1 of a linear probe."""
    labels, scores = np.array(task.labels), []
    for seed in range(SPLITS):
        test = np.array(split_by_group(task.labels, task.groups, seed=seed)) == "test"
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=500))
        probe.fit(features[~test], labels[~test])
        scores.append(f1_score(labels[test], probe.predict(features[test]), average="macro"))
    return f"{np.mean(scores):.2f} ± {np.std(scores):.2f}"


if __name__ == "__main__":
    sys.exit(main())
