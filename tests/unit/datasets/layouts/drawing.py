"""Trees as people have them, drawn by the tests: tiny photographs and masks, and what a reader said of them."""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from defectory.datasets.layouts.source import Source

SIDE = 16  # px


def photographs(root: Path, *paths: str) -> None:
    """Grey noise, another one for every path."""
    for path in paths:
        pixels = np.random.default_rng(zlib.crc32(path.encode())).integers(0, 256, (SIDE, SIDE))
        _save(root / path, Image.fromarray(pixels.astype(np.uint8)))


def masks(root: Path, *paths: str, value: int = 255) -> None:
    """A small rectangle of a value on black, at another place for every path; value 0 is a black mask."""
    for path in paths:
        pixels = np.zeros((SIDE, SIDE), np.uint8)
        top, left = np.random.default_rng(zlib.crc32(path.encode())).integers(0, SIDE - 4, 2)
        pixels[top : top + 4, left : left + 4] = value
        _save(root / path, Image.fromarray(pixels))


def texts(root: Path, contents: dict[str, str]) -> None:
    """Text files: path -> content."""
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def check_ellipse(mask: np.ndarray, centre: tuple[float, float], radii: tuple[float, float], degrees: float) -> None:
    """A mask (H, W) bool is that of an ellipse, by its equation, but for what its border cuts through."""
    y, x = (np.indices(mask.shape) + 0.5) - np.reshape(centre[::-1], (2, 1, 1))
    turn = np.radians(degrees)
    along, beside = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    level = np.hypot(along / radii[0], beside / radii[1])
    clear = np.abs(level - 1) * min(radii) > 1
    assert np.array_equal(mask[clear], level[clear] < 1)
    assert np.count_nonzero(clear & mask) > 0
    assert np.count_nonzero(mask) > 0.9 * np.pi * radii[0] * radii[1]


def rows(source: Source) -> dict[str, tuple[str, str, str, tuple[str, ...]]]:
    """path -> (label, split, group, paths of its masks)."""
    return {
        file.path: (file.label, file.split, file.group, tuple(sorted(mask.path for mask in file.masks)))
        for file in source.files
    }


def left_out(source: Source) -> dict[str, set[str]]:
    """reason -> paths."""
    reasons: dict[str, set[str]] = {}
    for file in source.left_out:
        reasons.setdefault(file.reason, set()).add(file.path)
    return reasons


def _save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else None, quality=95)
