"""Copies of training images are recognised whatever noise, blur or shift lies between; other images are no copies."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from services.generator.metrics import likeness
from services.generator.metrics.likeness import TrainingImages, outline
from services.generator.starter.drawing import draw
from services.generator.training.data import parts_of


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.stack([draw(seed) for seed in range(90)])


def noisy(pixels: np.ndarray, levels: int) -> np.ndarray:
    noise = np.random.default_rng(1).integers(-levels, levels + 1, pixels.shape)
    return (pixels.astype(int) + noise).clip(0, 255).astype(np.uint8)


def blurred(pixels: np.ndarray, deviation_px: float) -> np.ndarray:
    return gaussian_filter(pixels.astype(float), (0, deviation_px, deviation_px, 0)).round().astype(np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: x[:, :, ::-1],
        lambda x: noisy(x, 2),
        lambda x: noisy(x, 5),
        lambda x: np.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)), mode="edge")[:, :-1],
        lambda x: blurred(x, 0.7),
        lambda x: noisy(blurred(np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)), mode="edge")[:, :, 1:], 0.5), 2),
    ],
    ids=["exact", "mirrored", "noise 2", "noise 5", "shifted", "blurred", "all"],
)
def test_copies_are_recognised_although_one_part_was_photographed_twice(
    pictures: np.ndarray, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    train = np.concatenate([pictures[:49], noisy(pictures[:1], 2)])
    memory = TrainingImages(train).memory(change(pictures[:40]))
    assert memory.copies > 0.95
    assert memory.nearest_ratio < 0.3


def test_other_images_are_no_copies(pictures: np.ndarray) -> None:
    train = np.concatenate([pictures[:49], noisy(pictures[:1], 2)])
    memory = TrainingImages(train).memory(pictures[50:])
    assert memory.copies == 0
    assert 0.7 < memory.nearest_ratio < 1.4


def test_images_of_one_part_do_not_make_the_measure_smaller(pictures: np.ndarray) -> None:
    train = np.concatenate([pictures[:30], noisy(pictures[:30], 3)])  # each part twice
    parts = [f"part{number}" for number in range(30)] * 2
    copies = blurred(pictures[:30], 0.7)
    assert TrainingImages(train).memory(copies).copies < 0.5
    assert TrainingImages(train, parts).memory(copies).copies > 0.95
    assert TrainingImages(train, parts).memory(pictures[30:]).copies == 0


def test_one_part_or_one_image_is_compared_all_the_same(pictures: np.ndarray) -> None:
    assert TrainingImages(pictures[:30], ["one"] * 30).memory(pictures[:10]).copies == 1
    assert TrainingImages(pictures[:30], ["one"] * 30).memory(pictures[30:]).copies == 0
    assert TrainingImages(pictures[:1]).memory(pictures[:2]).copies == 0.5


def test_the_distance_is_that_of_the_definition(pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "BLOCK", 7)
    generated, train = (outline(x) for x in (pictures[50:60], pictures[:20]))
    expected = [
        min(
            np.sqrt(((a[1:-1:2, 1:-1:2] - way[y : y + 62 : 2, x : x + 62 : 2]) ** 2).mean())
            for b in train for way in (b, b[:, ::-1]) for y in range(3) for x in range(3)
        )
        for a in generated
    ]  # fmt: skip
    known = TrainingImages(pictures[:20])
    of_ten, of_one = (known.memory(pictures[50:end]).nearest_ratio for end in (60, 51))
    assert of_ten / of_one == pytest.approx(np.median(expected) / expected[0], rel=1e-3)


def test_an_outline_has_no_brightness_and_larger_pictures_are_reduced(pictures: np.ndarray) -> None:
    darker = (pictures[:3] * 0.5 + 20).astype(np.uint8)
    assert np.abs(outline(darker) - outline(pictures[:3])).mean() < 0.1
    large = pictures[:3].repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(outline(large), outline(pictures[:3]), atol=1e-4)


def test_the_part_of_an_edited_image_is_that_of_the_one_it_was_made_from() -> None:
    def line(sha256: str, group: str = "", parents: tuple[str, ...] = ()) -> ManifestLine:
        return ManifestLine(
            file=PictureFile(uri="u", sha256=sha256 * 64, width=8, height=8),
            origin=Origin(parents=parents),
            label="x",
            group=group,
        )

    lines = [
        line("a", "g1"),
        line("b"),
        line("c", parents=("a" * 64,)),
        line("d", parents=("f" * 64, "b" * 64)),
        line("e"),
    ]
    assert parts_of(lines) == ["g1", "b" * 64, "g1", "b" * 64, "e" * 64]
