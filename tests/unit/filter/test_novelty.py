"""Copies, flipped, shifted, recompressed ones and duplicates are found among honest images, which stay."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from defectory.datasets.groups import FINE, find_groups
from defectory.errors import FailedPrecondition
from defectory.imaging import decode
from orchestrator.cables import KINDS, draw_cable
from services.filter.features import unit_rows
from services.filter.novelty import (
    COPY_CEILING,
    COPY_DEFAULT,
    COPY_FLOOR,
    Finding,
    Prepared,
    copy_limit,
    feature_copy_limit,
    judge,
    limits,
    outlier_limit,
)
from services.filter.similarity import nearest
from services.filter.structure import Whitening, structures

RANDOM = np.random.default_rng(0)


def recompressed(image: np.ndarray, quality: int = 50) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def shifted(image: np.ndarray) -> np.ndarray:
    """Moved by up to an eleventh of its side, which no whole number of pixels need be."""
    x, y = RANDOM.uniform(-1, 1, 2) * len(image) / 11
    matrix = np.array([[1, 0, x], [0, 1, y]])
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def flipped(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "copy": lambda i: i,
    "flipped": flipped,
    "upside down": lambda i: np.ascontiguousarray(i[::-1]),
    "shifted": shifted,
    "recompressed": recompressed,
    "brighter": lambda i: np.clip(i.astype(float) * 1.15 + 8, 0, 255).astype(np.uint8),
    "flipped, shifted, recompressed": lambda i: recompressed(shifted(flipped(i)), 70),
}


class Gate:
    """The gate with features that say nothing, so that only pixels count."""

    def __init__(self, real: list[np.ndarray], test: list[np.ndarray], groups: list[str] | None = None) -> None:
        raw = structures(real)
        self.whitening = Whitening(raw)
        self.train = self.prepared(raw)
        self.test = self.prepared(structures(test))
        self.bounds = limits(self.train, groups or [str(i) for i in range(len(real))])

    def prepared(self, raw: np.ndarray, embeddings: np.ndarray | None = None) -> Prepared:
        flat = np.full((len(raw), 4), 0.5, np.float32) if embeddings is None else unit_rows(embeddings)
        return Prepared(self.whitening.gallery(raw), flat, np.full(len(raw), "good"))

    def judge(self, images: list[np.ndarray], accepted: list[np.ndarray] | None = None) -> list[Finding]:
        before = self.whitening.gallery(structures(accepted or []))
        return judge(self.prepared(structures(images)), self.train, self.test, before, self.bounds)


def cables(count: int, seed: int) -> list[np.ndarray]:
    """Drawn cables, two of three good, at the size that small lines have."""
    faults = [kind for kind in KINDS if kind != "good"]
    return [draw_cable(seed + i, "good" if i % 3 else faults[i // 3 % len(faults)], 64).image for i in range(count)]


def pieces_of_tiles(shared: Path) -> list[np.ndarray]:
    """The ninths of one photograph of every magnetic tile: real photographs, each of another place.

    A few tiles stand in the list under two names; the finder of groups, which shares no code with the gate, tells.
    """
    photos: dict[str, np.ndarray] = {}
    with (shared / "data/magnetic_tile/tiles.csv").open() as file:
        for row in csv.DictReader(file):
            if row["tile"] not in photos:
                data = (shared / "data/magnetic_tile" / row["image"]).read_bytes()
                photos[row["tile"]] = np.asarray(decode(data).convert("L"))
    groups = find_groups(np.stack([FINE.describe(photo) for photo in photos.values()]))
    _, first = np.unique(groups, return_index=True)
    return [
        cv2.resize(piece, (96, 96), interpolation=cv2.INTER_AREA)
        for photo in [list(photos.values())[i] for i in sorted(first)]
        for strip in np.array_split(photo, 3, axis=0)
        for piece in np.array_split(strip, 3, axis=1)
    ]


def shares(gate: Gate, real: list[np.ndarray], honest: list[np.ndarray], planted: int) -> tuple[float, float, float]:
    """(honest images rejected, copies found, duplicates found), as shares."""
    copies = [change(i) for change in COPIES.values() for i in real[:planted]]
    repeated = [change(i) for change in COPIES.values() for i in honest[:planted]]
    findings = gate.judge([*honest, *copies, *repeated])
    parts = np.split(np.array([f.reasons for f in findings], object), [len(honest), len(honest) + len(copies)])
    return (
        float(np.mean([bool(reasons) for reasons in parts[0]])),
        float(np.mean(["near_copy" in reasons for reasons in parts[1]])),
        float(np.mean(["near_duplicate" in reasons for reasons in parts[2]])),
    )


def test_planted_among_drawn_cables() -> None:
    images = cables(160, seed=50_000)
    wrong, copies, duplicates = shares(Gate(images[:60], []), images[:60], images[60:], planted=15)
    assert wrong <= 0.01
    assert copies >= 0.99
    assert duplicates >= 0.99


def test_planted_among_photographs(shared: Path) -> None:
    images = pieces_of_tiles(shared)  # in the order of the tiles: no tile is on both sides
    train, honest = images[:270], images[270:1270]
    assert len(honest) == 1000
    wrong, copies, duplicates = shares(Gate(train, []), train, honest, planted=50)
    assert wrong <= 0.01
    assert copies >= 0.99
    assert duplicates >= 0.99


def texture(seed: int) -> np.ndarray:
    """A part: smooth shading, a few blobs, fine grain; grey 64 px."""
    random = np.random.default_rng(seed)
    coarse = cv2.resize(random.random((4, 4)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
    blobs = cv2.GaussianBlur(random.random((64, 64)).astype(np.float32), (0, 0), 3)
    blobs = (blobs - blobs.mean()) / blobs.std() * 0.1
    return np.clip((0.3 + 0.4 * coarse + blobs + random.normal(0, 0.03, (64, 64))) * 255, 0, 255).astype(np.uint8)


def textures(count: int, first: int) -> list[np.ndarray]:
    return [texture(first + i) for i in range(count)]


def test_what_was_accepted_before_is_not_accepted_again() -> None:
    gate = Gate(textures(10, 0), [])
    findings = gate.judge([texture(50), texture(51)], accepted=[texture(60), flipped(texture(51))])
    assert [f.reasons for f in findings] == [(), ("near_duplicate",)]
    assert findings[1].twin == 1


def test_of_two_that_are_alike_the_earlier_one_stays() -> None:
    gate = Gate(textures(10, 0), [])
    findings = gate.judge([texture(50), texture(51), recompressed(texture(50))])
    assert [f.reasons for f in findings] == [(), (), ("near_duplicate",)]
    assert findings[2].twin == 0


def test_a_copy_of_a_test_image_stops_everything() -> None:
    gate = Gate(textures(10, 0), textures(5, 100))
    with pytest.raises(FailedPrecondition, match=r"1 synthetic images copy test images \(the first is number 2,"):
        gate.judge([texture(200), recompressed(flipped(texture(102)))])


@pytest.mark.parametrize("same", [True, False])
def test_a_copy_of_a_part_that_is_trained_on_and_tested_stops_everything_where_features_agree(same: bool) -> None:
    """The split may have put two photographs of one part on both sides; or two parts look alike."""
    random = np.random.default_rng(4)
    gate, features = Gate(textures(50, 0), []), random.normal(0, 1, (51, 8))
    train = gate.prepared(structures(textures(50, 0)), features[:50])
    bounds = limits(train, [str(i) for i in range(50)])
    test = gate.prepared(structures([recompressed(texture(3))]), features[[3 if same else 50]])
    synthetic = gate.prepared(structures([recompressed(texture(3), 90)]), features[[3]])
    if same:
        with pytest.raises(FailedPrecondition, match=r"1 synthetic images copy .*, 1 of them training images that"):
            judge(synthetic, train, test, gate.test.gallery, bounds)
    else:
        assert judge(synthetic, train, test, gate.test.gallery, bounds)[0].reasons == ("near_copy",)


@pytest.mark.parametrize(("agreeing", "stopped"), [(True, True), (False, False)])
def test_a_copy_that_pixels_only_suspect_stops_everything_where_features_agree(agreeing: bool, stopped: bool) -> None:
    random = np.random.default_rng(4)
    gate = Gate(textures(50, 0), [])
    train = gate.prepared(structures(textures(50, 0)), random.normal(0, 1, (50, 8)))
    bounds = limits(train, [str(i) for i in range(50)])
    held = texture(100)
    copy = np.clip(held + random.normal(0, 28, held.shape), 0, 255).astype(np.uint8)
    features = random.normal(0, 1, (2, 8))
    test = gate.prepared(structures([held]), features[:1])
    synthetic = gate.prepared(structures([copy]), features[:1] if agreeing else features[1:])
    _, correlation = nearest(synthetic.gallery, test.gallery)
    assert bounds.copy < correlation[0] < bounds.leak
    if stopped:
        with pytest.raises(FailedPrecondition, match="1 synthetic images copy test images"):
            judge(synthetic, train, test, gate.test.gallery, bounds)
    else:
        assert "near_copy" not in judge(synthetic, train, test, gate.test.gallery, bounds)[0].reasons


def test_photographs_of_one_part_say_nothing_of_how_alike_parts_are() -> None:
    real = [image for i in range(12) for image in (texture(i), recompressed(texture(i)))]
    groups = [str(i // 2) for i in range(24)]
    assert Gate(real, [], groups).bounds.copy == COPY_FLOOR
    assert Gate(real, []).bounds.copy == COPY_CEILING  # every "other part" is a copy: only the closest count


def test_features_alone_tell_copies_and_outliers() -> None:
    """A copy's pixels may be another exposure's; an artefact's are like nothing, as every new image's are."""
    random = np.random.default_rng(0)
    near_one = np.array([1.0, 0, 0, 0])
    embeddings = near_one + random.normal(0, 0.05, (50, 4))
    gate = Gate(textures(50, 0), [])
    train = gate.prepared(structures(textures(50, 0)), embeddings)
    bounds = limits(train, [str(i) for i in range(50)])
    synthetic_embeddings = np.stack([near_one + random.normal(0, 0.05, 4), [0, 1, 0, 0], embeddings[7] * 3])
    synthetic = gate.prepared(structures(textures(3, 100)), synthetic_embeddings)
    findings = judge(synthetic, train, gate.test, gate.test.gallery, bounds)
    assert [f.reasons for f in findings] == [(), ("outlier",), ("near_copy",)]
    assert findings[1].feature_distance == pytest.approx(1 - (unit_rows(embeddings) @ [0, 1, 0, 0]).max(), abs=1e-5)


def test_outliers_are_told_by_their_own_label() -> None:
    random = np.random.default_rng(1)
    good, bad = np.eye(4)[0], np.eye(4)[1]
    embeddings = np.concatenate([good + random.normal(0, 0.05, (20, 4)), bad + random.normal(0, 0.05, (20, 4))])
    gate = Gate(textures(40, 0), [])
    pixels, flat = gate.train.gallery, unit_rows(embeddings)
    train = Prepared(pixels, flat, np.repeat(["good", "bad"], 20))
    bounds = limits(train, [str(i) for i in range(40)])
    synthetic = Prepared(
        gate.whitening.gallery(structures(textures(2, 100))), flat[[0, 0]] * 0.999, np.array(["good", "bad"])
    )
    findings = judge(synthetic, train, gate.test, gate.test.gallery, bounds)
    assert "outlier" not in findings[0].reasons
    assert "outlier" in findings[1].reasons


def test_fences() -> None:
    z = np.random.default_rng(2).normal(0.5, 0.1, 4000)
    assert copy_limit(np.tanh(z)) == pytest.approx(np.tanh(0.5 + 5 * 0.1), abs=0.02)
    # A quarter of mislabelled parts, which are copies of each other, hardly moves it.
    assert copy_limit(np.tanh(np.r_[z, np.full(800, 3)])) == pytest.approx(np.tanh(0.5 + 5 * 0.1), abs=0.08)
    assert copy_limit(np.full(5, 0.1)) == COPY_DEFAULT
    logs = np.random.default_rng(3).normal(-2, 0.2, 4000)
    closest = np.exp(logs).min() / 2
    assert feature_copy_limit(np.exp(logs)) == pytest.approx(min(closest, np.exp(-2 - 5 * 0.2)), rel=0.1)
    assert outlier_limit(np.exp(-2 + (logs + 2) / 2)) == pytest.approx(np.exp(-2 + 5 * 0.1), rel=0.1)
    wide = np.exp(3 * (logs + 2) - 3)
    assert outlier_limit(wide) == pytest.approx(1.5 * np.quantile(wide, 0.99))
    assert outlier_limit(np.linspace(0.1, 0.101, 50)) == pytest.approx(1.25 * 0.101, rel=0.01)
    assert feature_copy_limit(np.r_[np.exp(logs), 0]) == 0  # features that cannot tell two parts apart tell no copies
    assert feature_copy_limit(np.ones(3)) == 0
    assert outlier_limit(np.ones(3)) == np.inf


def test_without_training_images_only_duplicates_are_told() -> None:
    findings = Gate([], []).judge([texture(1), texture(2), flipped(texture(1))])
    assert [f.reasons for f in findings] == [(), (), ("near_duplicate",)]
    assert [f.nearest_real for f in findings] == [-1, -1, -1]
    assert Gate([], []).judge([]) == []
