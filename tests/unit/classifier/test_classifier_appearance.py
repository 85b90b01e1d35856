"""How pictures look, what a card keeps of it, and what serving says of pictures that look otherwise."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageFilter
from prometheus_client import REGISTRY

from bench.bundle import put_classifier
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.imaging import encode_png
from defectory.storage import ObjectStore, open_store
from services.classifier.acceptance import Answers, calibrate
from services.classifier.appearance import appearance_of, brightness, sharpness
from services.classifier.card import Appearance, ClassifierCard, Preprocessing, Spread
from services.classifier.decision import DOUBT
from services.classifier.serving.drift import Watch

SIDE = 32


def grain(seed: int, mean: float = 120, deviation: float = 20) -> np.ndarray:
    """A grey picture of independent pixels, (SIDE, SIDE, 3)."""
    grey = np.random.default_rng(seed).normal(mean, deviation, (SIDE, SIDE, 1)).clip(0, 255)
    return np.repeat(grey.round().astype(np.uint8), 3, axis=-1)


def blurred(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1)))


def test_brightness_is_the_mean() -> None:
    assert brightness(np.full((4, 4, 3), 77, np.uint8)) == 77


def test_sharpness_of_a_checkerboard() -> None:
    """Each inner pixel differs by 100 from its four neighbours: the Laplacian is ±400, the mean 150."""
    board = np.where(np.indices((10, 10)).sum(0) % 2, 200, 100).astype(np.uint8)
    assert sharpness(np.repeat(board[..., None], 3, axis=-1)) == pytest.approx(100 * 400 / 150)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_what_is_flat_has_no_sharpness(value: int) -> None:
    assert sharpness(np.full((8, 8, 3), value, np.uint8)) == 0


def test_less_light_is_less_brightness_and_no_less_sharpness_and_blur_the_other_way_round() -> None:
    picture = grain(0)
    darker = (picture * 0.6).astype(np.uint8)
    assert brightness(darker) == pytest.approx(0.6 * brightness(picture), rel=0.01)
    assert sharpness(darker) == pytest.approx(sharpness(picture), rel=0.02)
    assert brightness(blurred(picture)) == pytest.approx(brightness(picture), rel=0.01)
    assert sharpness(blurred(picture)) < sharpness(picture) / 3


def lines_of(
    store: ObjectStore, pictures: Sequence[np.ndarray], split: str = "train", kind: str = "real"
) -> list[ManifestLine]:
    lines = []
    for number, pixels in enumerate(pictures):
        data = encode_png(pixels)
        sha256 = hashlib.sha256(data).hexdigest()
        store.put(f"pictures/{sha256}.png", data)
        file = PictureFile(uri=store.uri(f"pictures/{sha256}.png"), sha256=sha256, width=SIDE, height=SIDE)
        lines.append(ManifestLine(file=file, origin=Origin(kind=kind, source=f"{number}"), label="good", split=split))
    return lines


def test_a_training_remembers_its_photographs_and_nothing_else() -> None:
    store = open_store("memory://")
    flat = [np.full((SIDE, SIDE, 3), value, np.uint8) for value in range(50, 150)]  # 50 to 149: mean 99.5
    others = [np.full((SIDE, SIDE, 3), value, np.uint8) for value in range(200, 230)]
    lines = [
        *lines_of(store, flat), *lines_of(store, others, "test"), *lines_of(store, others, kind="synthetic"),
    ]  # fmt: skip
    kept = appearance_of(store, lines, SIDE, Preprocessing())
    assert kept is not None
    assert kept.images == 100
    assert kept.brightness.mean == 99.5
    assert 50 <= kept.brightness.low <= 51.5
    assert 147.5 <= kept.brightness.high <= 149
    assert kept.sharpness == Spread(low=0, mean=0, high=0)


def test_of_few_photographs_nothing_is_said() -> None:
    store = open_store("memory://")
    assert appearance_of(store, lines_of(store, [grain(seed) for seed in range(9)]), SIDE, Preprocessing()) is None
    assert appearance_of(store, lines_of(store, [grain(seed) for seed in range(10)]), SIDE, Preprocessing()) is not None


def test_a_calibration_counts_how_often_it_is_in_doubt() -> None:
    probabilities = np.array([[0.99, 0.01], [0.98, 0.02], [0.55, 0.45], [0.02, 0.98]])
    calibration = calibrate(Answers(np.array([0, 0, 0, 1]), probabilities), Answers(np.zeros(0, int), np.zeros((0, 2))))
    assert calibration.doubtful == 0.25
    assert DOUBT == 0.7


def card(name: str, **changes: object) -> ClassifierCard:
    return put_classifier(open_store("memory://"), name).model_copy(update=changes)


def value_of(series: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(series, labels)


def test_pictures_outside_of_the_trainings_are_counted() -> None:
    usual = [grain(seed) for seed in range(60)]
    light, focus = ([look(one) for one in usual] for look in (brightness, sharpness))
    kept = Appearance(
        images=60,
        brightness=Spread(low=min(light), mean=float(np.mean(light)), high=max(light)),
        sharpness=Spread(low=min(focus), mean=float(np.mean(focus)), high=max(focus)),
    )
    watch = Watch(card("drift-seen", appearance=kept))
    of = {"model": "drift-seen", "version": "1"}
    for one in usual:
        watch.see(one)
    assert value_of("defectory_inference_unusual_images_total", **of, what="brightness") == 0
    assert value_of("defectory_inference_unusual_images_total", **of, what="sharpness") == 0
    for one in usual[:7]:
        watch.see((one * 0.6).astype(np.uint8))
    for one in usual[:5]:
        watch.see(blurred(one))
    assert value_of("defectory_inference_unusual_images_total", **of, what="brightness") == 7
    assert value_of("defectory_inference_unusual_images_total", **of, what="sharpness") == 5
    assert value_of("defectory_inference_brightness_count", **of) == 72
    assert value_of("defectory_inference_sharpness_count", **of) == 72
    assert value_of("defectory_model_trained_on", **of, what="brightness", bound="high") == max(light)


def test_a_card_from_before_is_watched_without_a_range() -> None:
    watch = Watch(card("drift-old"))
    watch.see(np.zeros((SIDE, SIDE, 3), np.uint8))
    of = {"model": "drift-old", "version": "1"}
    assert value_of("defectory_inference_unusual_images_total", **of, what="brightness") == 0
    assert value_of("defectory_inference_brightness_count", **of) == 1
    assert value_of("defectory_model_trained_on", **of, what="brightness", bound="low") is None
    assert value_of("defectory_model_doubtful_expected", **of) == 0.1


def test_how_often_a_version_was_in_doubt_is_what_is_expected_of_it() -> None:
    old = card("drift-doubt")
    Watch(old.model_copy(update={"calibration": old.calibration.model_copy(update={"doubtful": 0.34})}))
    assert value_of("defectory_model_doubtful_expected", model="drift-doubt", version="1") == 0.34
