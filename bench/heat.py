"""Does the heat lie on the defect? `python -m bench.heat --weights FILE`, on magnetic tiles and on drawn cables.

A head is trained on ImageNet's frozen features of half of the parts; the heat of the other half's defects is scored
against their masks, method by method, and checked against random weights.
"""

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from bench.bootstrap import over_parts
from bench.record import record
from defectory.imaging import decode, network_input
from orchestrator.cables import KINDS, draw_cable
from services.classifier.architecture import Architecture
from services.classifier.model import Network, build, settle
from services.explainer.cam import Cam
from services.explainer.localisation import Localisation, localise, max_box_acc_v2
from services.explainer.methods import METHODS
from services.explainer.overlay import enlarge
from services.explainer.sanity import randomisation_check

COMMAND = "python -m bench.heat --weights FILE"
COLUMNS = ("images", "method", "hottest on defect (chance)", "heat on defect (chance)", "MaxBoxAccV2", "random weights")
LABELS = ("defect", "good")
BATCH = 32
SANITY_IMAGES = 16


@dataclass(frozen=True)
class Photograph:
    """An image, its defect (none on good parts), whether it is learned from, and the part that it shows."""

    image: Image.Image
    mask: np.ndarray | None  # bool (height, width)
    learned: bool
    part: str


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of MobileNetV2 without its top")
    parser.add_argument("--size", type=int, default=224, help="side of the network's input, px")
    parser.add_argument("--photographs", type=int, default=600, help="of each kind of data, at most")
    parser.add_argument("--no-record", action="store_true", help="only print")
    given = parser.parse_args()
    architecture = Architecture(labels=LABELS, input_px=given.size)
    rows = []
    for name, photographs in (
        ("magnetic tiles", tiles(given.photographs)),
        ("drawn cables", cables(given.photographs)),
    ):
        network = build(architecture)
        network.base.load_weights(given.weights)
        for row in measure(architecture, network, list(photographs)):
            rows.append([name, *row])
            sys.stdout.write(" | ".join(rows[-1]) + "\n")
    if not given.no_record:
        notes = (
            f"At {given.size} px, at most {given.photographs} images of each. Random weights: rank correlation of the "
            "heat with that of a network whose weights are all random; near 0 is right. MaxBoxAccV2 with its 95% "
            "interval when the test's parts are drawn anew."
        )
        record("Heat against masks", COMMAND, COLUMNS, rows, notes, packages=("tensorflow", "keras"))


def measure(architecture: Architecture, network: Network, photographs: list[Photograph]) -> Iterator[list[str]]:
    """A row a method."""
    pixels = np.stack([network_input(x.image, architecture.input_px) for x in photographs])
    labels = np.array([LABELS.index("good" if x.mask is None else "defect") for x in photographs])
    learned = np.array([x.learned for x in photographs])
    _train_head(network, pixels[learned], labels[learned])
    scored = np.flatnonzero(~learned & (labels == 0))
    for method in METHODS:
        cam = Cam(network, method)
        localisations: list[Localisation] = []
        for start in range(0, len(scored), BATCH):
            part = scored[start : start + BATCH]
            for i, heat in zip(part, cam.heats(pixels[part], labels[part]).heat, strict=True):
                mask = photographs[i].mask
                assert mask is not None  # only defects are scored
                localisations.append(localise(enlarge(heat, mask.shape[1], mask.shape[0]), mask))
        check = randomisation_check(architecture, network, Cam(network, method), pixels[scored[:SANITY_IMAGES]])
        yield [
            method,
            f"{np.mean([x.hit for x in localisations]):.0%} ({np.mean([x.chance for x in localisations]):.0%})",
            f"{np.mean([x.inside for x in localisations]):.1%} ({np.mean([x.area for x in localisations]):.1%})",
            _boxes(localisations, [photographs[i].part for i in scored]),
            f"{check['stages']['everything']:.2f}",  # type: ignore[index]
        ]


def _boxes(localisations: list[Localisation], parts: list[str]) -> str:
    (share,) = over_parts(parts, lambda images: np.array([max_box_acc_v2([localisations[i] for i in images])["mean"]]))
    return f"{share.mean:.0%} ({share.low:.0%} to {share.high:.0%})"


def tiles(count: int) -> Iterator[Photograph]:
    """Photographs of magnetic tiles, defects first come; whole tiles are learned from or not."""
    root = Path(os.environ.get("DEFECTORY_SHARED", "../shared")) / "data/magnetic_tile"
    with (root / "tiles.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["tile"] for row in rows})
    learned = set(np.random.default_rng(0).permutation(names)[: len(names) // 2])
    for row in [rows[i] for i in np.random.default_rng(1).permutation(len(rows))[:count]]:
        path = Path(row["image"])
        masked = root / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
        mask = np.asarray(decode(masked.read_bytes()).convert("L")) > 127 if masked.exists() else None
        image = decode((root / path).read_bytes())
        if mask is None or mask.any():
            yield Photograph(image, mask, row["tile"] in learned, row["tile"])


def cables(count: int) -> Iterator[Photograph]:
    """Drawn cables, half of them good."""
    faults = [kind for kind in KINDS if kind != "good"]
    for number in range(count // 2):
        drawing = draw_cable(number, "good" if number % 2 else faults[number // 2 % len(faults)], 256)
        mask = drawing.mask > 127
        yield Photograph(Image.fromarray(drawing.image), mask if mask.any() else None, number % 4 < 2, str(number))


def _train_head(network: Network, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Train the head on features that are computed once."""
    keras.utils.set_random_seed(0)
    features = np.concatenate(
        [
            network.embed(pixels[start : start + BATCH].astype(np.float32), training=False).numpy()
            for start in range(0, len(pixels), BATCH)
        ]
    )
    network.top.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    counts = np.bincount(labels, minlength=len(LABELS))
    weight = {label: len(labels) / (2 * max(1, count)) for label, count in enumerate(counts)}
    network.top.fit(features, labels, batch_size=BATCH, epochs=40, class_weight=weight, verbose=0)
    settle(network.top, features)


if __name__ == "__main__":
    main()
