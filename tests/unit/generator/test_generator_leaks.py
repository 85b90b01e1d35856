"""The watch for leaked augmentations: finds planted ones, and nothing where there is nothing."""

import colorsys

import numpy as np
import pytest

from services.generator.starter.drawing import draw
from services.generator.training.leaks import Leak, LeakDetector, milder

SIDE = 32


def parts(count: int, seed: int, channels: int = 3) -> np.ndarray:
    """A part that has an above, a left and a colour: lit from above, a dark edge on its left, a mark somewhere."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    images = []
    for _ in range(count):
        light = rng.uniform(0.5, 0.6) - rng.uniform(0.25, 0.35) * y + rng.normal(0, 0.02, (SIDE, SIDE))
        light = np.where(x < rng.uniform(0.1, 0.2), light * 0.5, light)
        mark = (x - rng.uniform(0.3, 0.9)) ** 2 + (y - rng.uniform(0.2, 0.8)) ** 2 < rng.uniform(0.05, 0.1) ** 2
        light = np.where(mark, light + 0.25, light)
        tint = colorsys.hsv_to_rgb(rng.uniform(0.55, 0.6), 0.5, 1) if channels == 3 else (1,)
        images.append(light[..., None] * np.array(tint))
    return (np.stack(images) * 255).clip(0, 255).astype(np.uint8)


def planted(images: np.ndarray, share: float, change: object) -> np.ndarray:
    """Some of the images changed, one by one."""
    count = round(share * len(images))
    return np.stack([*(change(x) for x in images[:count]), *images[count:]])  # type: ignore[operator]


@pytest.fixture(scope="module")
def detector() -> LeakDetector:
    return LeakDetector.of(parts(50, 0))


@pytest.fixture(scope="module")
def honest() -> np.ndarray:
    return parts(200, 1)


def kinds(leaks: list[Leak]) -> list[str]:
    return [leak.kind for leak in leaks]


def test_honest_images_are_left_alone(detector: LeakDetector, honest: np.ndarray) -> None:
    assert detector.find(honest, "bgc", 0.8) == []


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_images_are_found(detector: LeakDetector, honest: np.ndarray, quarters: int) -> None:
    (leak,) = detector.find(planted(honest, 0.2, lambda x: np.rot90(x, quarters)), "bgc", 0.8)
    assert (leak.kind, leak.transformation) == ("orientation", f"turned {90 * quarters}°")
    assert leak.share == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("axis", [0, 1])
def test_turned_images_are_found_where_they_are_moved_as_well(
    detector: LeakDetector, honest: np.ndarray, axis: int
) -> None:
    def moved(x: np.ndarray) -> np.ndarray:
        """By three pixels, mirrored at the border, as ADA does."""
        wide = np.pad(x, ((3, 3), (3, 3), (0, 0)), mode="reflect")
        return wide[: len(x), 3:-3] if axis == 0 else wide[3:-3, : len(x)]

    (leak,) = detector.find(planted(honest, 0.3, lambda x: moved(np.rot90(x))), "bgc", 0.8)
    assert (leak.kind, leak.transformation) == ("orientation", "turned 90°")
    assert detector.find(planted(honest, 0.3, moved), "bgc", 0.8) == []  # a part may lie anywhere


def test_mirrored_images_are_found_unless_real_ones_count_mirrored(detector: LeakDetector, honest: np.ndarray) -> None:
    fake = planted(honest, 0.2, lambda x: x[:, ::-1])
    assert kinds(detector.find(fake, "bgc", 0.8)) == ["orientation"]
    assert LeakDetector.of(parts(50, 0), mirror_x=True).find(fake, "bgc", 0.8) == []


def test_colour_casts_are_found(detector: LeakDetector, honest: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    axis = np.full(3, 1 / np.sqrt(3))

    def turned_hue(x: np.ndarray) -> np.ndarray:
        """Rodrigues' formula, as vectors."""
        angle, v = rng.uniform(-np.pi, np.pi), x / 127.5 - 1
        turned = (
            v * np.cos(angle) + np.cross(axis, v) * np.sin(angle) + (v @ axis)[..., None] * axis * (1 - np.cos(angle))
        )
        return ((turned + 1) * 127.5).clip(0, 255).astype(np.uint8)

    assert kinds(detector.find(planted(honest, 0.4, turned_hue), "bgc", 0.8)) == ["colour"]


@pytest.mark.parametrize("channels", [1, 3])
def test_changed_brightness_is_found(channels: int) -> None:
    rng = np.random.default_rng(0)

    def shifted(x: np.ndarray) -> np.ndarray:
        return (x + rng.normal(0, 0.2 * 1.5) * 127.5).clip(0, 255).astype(np.uint8)

    detector = LeakDetector.of(parts(50, 0, channels))
    assert kinds(detector.find(planted(parts(200, 1, channels), 0.4, shifted), "bgc", 0.8)) == ["colour"]


def test_inverted_images_are_found(detector: LeakDetector, honest: np.ndarray) -> None:
    def inverted(x: np.ndarray) -> np.ndarray:
        """The mean of the three changes its sign, what sets them apart stays."""
        levels = x / 127.5 - 1
        return ((levels - 2 * levels.mean(axis=2, keepdims=True) + 1) * 127.5).clip(0, 255).astype(np.uint8)

    assert kinds(detector.find(planted(honest, 0.2, inverted), "bgc", 0.8)) == ["colour"]


def test_only_what_the_preset_does_is_looked_for(detector: LeakDetector, honest: np.ndarray) -> None:
    turned = planted(honest, 0.3, np.rot90)
    assert detector.find(turned, "color", 0.8) == []
    assert detector.find(turned, "bgc", 0.05) == []  # so rare that it cannot be the cause


def test_real_images_that_are_turned_and_tinted_themselves_excuse_synthetic_ones() -> None:
    real = np.stack([draw(seed) for seed in range(60)])
    more = np.stack([draw(seed) for seed in range(1000, 1120)])
    detector = LeakDetector.of(real)
    assert detector.find(more, "bgc", 0.8) == []
    assert detector.find(planted(more, 0.5, np.rot90), "bgc", 0.8) == []


def test_images_of_a_generator_that_is_not_done_are_no_leak(detector: LeakDetector, honest: np.ndarray) -> None:
    flat = (honest.astype(float).mean(axis=(1, 2), keepdims=True) + honest) / 2  # half of the contrast
    assert detector.find(flat.astype(np.uint8), "bgc", 0.8) == []
    noise = np.random.default_rng(0).integers(0, 256, honest.shape, np.uint8)
    assert detector.find(noise, "bgc", 0.8) == []


@pytest.mark.parametrize(
    ("preset", "leaks", "expected"),
    [
        ("bgcfnc", ["orientation"], "bgcfn"),
        ("bgcfnc", ["colour"], "bg"),
        ("bgc", ["colour"], "bg"),
        ("bgc", ["orientation"], "bg"),
        ("bg", ["orientation"], "blit"),
        ("blit", ["orientation"], ""),
        ("color", ["colour"], ""),
    ],
)
def test_a_leak_makes_way_for_the_next_milder_preset(preset: str, leaks: list[str], expected: str) -> None:
    assert milder(preset, leaks) == expected
