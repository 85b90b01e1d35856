"""Drawn surfaces of industrial parts, from a random generator: what the services' starter networks learn from."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

Surface = Callable[[np.random.Generator, int], np.ndarray]  # (side, side) in about [0, 1]


def smooth_noise(rng: np.random.Generator, side: int, grain_x: float, grain_y: float) -> np.ndarray:
    """Noise whose grains are so many pixels wide and high, in [0, 1]: (side, side)."""
    shape = max(2, int(side / grain_y)), max(2, int(side / grain_x))
    small = Image.fromarray(rng.random(shape, dtype=np.float32))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)


def _plain(rng: np.random.Generator, side: int) -> np.ndarray:
    return smooth_noise(rng, side, side / 2, side / 2) * 0.2 + 0.5


def _grainy(rng: np.random.Generator, side: int) -> np.ndarray:
    grain = math.exp(rng.uniform(math.log(3), math.log(24)))
    return 0.6 * smooth_noise(rng, side, grain, grain) + 0.4 * smooth_noise(rng, side, 4 * grain, 4 * grain)


def _brushed(rng: np.random.Generator, side: int) -> np.ndarray:
    stripes = smooth_noise(rng, side, rng.uniform(30, 120), rng.uniform(2, 6))
    return _turned(rng, 0.3 + 0.5 * stripes)


def _woven(rng: np.random.Generator, side: int) -> np.ndarray:
    period = rng.uniform(10, 40)
    y, x = np.mgrid[:side, :side] * (2 * np.pi / period)
    cloth = np.sin(x) * np.sin(y) if rng.random() < 0.5 else np.maximum(np.sin(x), np.sin(y))
    return _turned(rng, 0.5 + 0.25 * cloth + 0.1 * smooth_noise(rng, side, 4, 4))


def _striped(rng: np.random.Generator, side: int) -> np.ndarray:
    y = np.mgrid[:side, :side][0] / side
    bands = np.sin(2 * np.pi * (rng.uniform(0.5, 6) * y + rng.random())) + 0.4 * smooth_noise(rng, side, 60, 8)
    return _turned(rng, 0.5 + 0.25 * bands)


def _wooden(rng: np.random.Generator, side: int) -> np.ndarray:
    y = np.mgrid[:side, :side][0] / side
    rings = y * rng.uniform(3, 10) + 1.5 * smooth_noise(rng, side, side / 2, side / 5)
    return _turned(rng, 0.45 + 0.2 * np.sin(2 * np.pi * rings) + 0.15 * smooth_noise(rng, side, 40, 3))


SURFACES: tuple[Surface, ...] = (_plain, _grainy, _brushed, _woven, _striped, _wooden)


def surface(rng: np.random.Generator, side: int, kind: int | None = None) -> np.ndarray:
    """A surface (side, side) with a level and a contrast of its own.

    Args:
        kind: which of SURFACES; None: any.
    """
    pattern = SURFACES[int(rng.integers(len(SURFACES))) if kind is None else kind](rng, side)
    contrast = rng.uniform(0.15, 0.9)
    surface: np.ndarray = (rng.uniform(0.15, 0.85) + contrast * (pattern - pattern.mean())).astype(np.float32)
    return surface


def _turned(rng: np.random.Generator, pattern: np.ndarray) -> np.ndarray:
    """The pattern at a random angle, mostly along the axes, enlarged so that no corner stays empty."""
    angle = rng.choice([0.0, 90.0, rng.uniform(0, 180)], p=[0.4, 0.4, 0.2])
    side = len(pattern)
    image = Image.fromarray(pattern.astype(np.float32)).resize((int(side * 1.45),) * 2).rotate(angle)
    edge = (image.width - side) // 2
    return np.asarray(image)[edge : edge + side, edge : edge + side]
