"""Random changes that leave a part what it is: shifts, small turns, scales, light; mirroring where it is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHIFT = 0.08  # of the side, either way, at strength 1
TURN = np.deg2rad(10)
SCALE = 0.15
GAIN, OFFSET = 0.25, 25.0  # contrast about the image's mean; brightness in grey levels
MOVES = 1  # counts up when anything about moves changes: views that were kept are then others


@dataclass(frozen=True)
class Moves:
    """What happens to the images of one batch.

    Attributes:
        transforms: float32 (N, 8), rows of projective transforms from output to input pixels.
        light: float32 (N, 2), contrast and brightness.
    """

    transforms: np.ndarray
    light: np.ndarray


def draw_moves(
    count: int, size_px: int, strength: float, mirror_x: bool, mirror_y: bool, seed: int, step: int
) -> Moves | None:
    """Moves of one step, a function of seed and step alone; None where nothing is to be changed.

    Args:
        strength: in [0, 1]. step: counted from 0 over the whole cycle.
    """
    if strength == 0 and not (mirror_x or mirror_y):
        return None
    return _drawn(np.random.default_rng([seed, step, 7]), count, size_px, strength, mirror_x, mirror_y)


@dataclass(frozen=True)
class View:
    """One of the numbered ways in which a picture is shown: 0 as it is, the others under random moves.

    A view is a function of the picture, its own number and how strong moves are, so that whoever asks for it gets the
    same one.
    """

    number: int = 0
    strength: float = 0.0  # in [0, 1]
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def name(self) -> str:
        """Names all that a view depends on, besides its picture."""
        if self.number == 0:
            return "as-it-is"
        mirrored = "x" * self.mirror_x + "y" * self.mirror_y
        return f"moved-{MOVES}-{self.strength:g}-{mirrored or 'none'}-{self.number}"

    def moves(self, sha256s: Sequence[str], size_px: int) -> Moves | None:
        """How pictures, by their SHA-256, are moved; None: not at all."""
        if self.number == 0:
            return None
        drawn = [
            _drawn(
                np.random.default_rng([int(sha256[:16], 16), self.number]), 1, size_px, self.strength, self.mirror_x,
                self.mirror_y,
            )
            for sha256 in sha256s
        ]  # fmt: skip
        return Moves(np.concatenate([m.transforms for m in drawn]), np.concatenate([m.light for m in drawn]))


def _drawn(
    random: np.random.Generator, count: int, size_px: int, strength: float, mirror_x: bool, mirror_y: bool
) -> Moves:
    turn, scale, right, down = (
        strength * random.uniform(-1, 1, (4, count)) * np.array([[TURN], [SCALE], [SHIFT * size_px], [SHIFT * size_px]])
    )
    flip_x = np.where(mirror_x & (random.random(count) < 0.5), -1.0, 1.0)
    flip_y = np.where(mirror_y & (random.random(count) < 0.5), -1.0, 1.0)
    light = random.uniform(-1, 1, (count, 2)) * strength * [GAIN, OFFSET] + [1, 0]
    cosine, sine = np.cos(turn) * np.exp(scale), np.sin(turn) * np.exp(scale)
    a, b, d, e = cosine * flip_x, -sine * flip_y, sine * flip_x, cosine * flip_y
    middle = (size_px - 1) / 2  # which is where turns and mirrors have their centre
    zero = np.zeros(count)
    transforms = np.stack(
        [a, b, middle - a * middle - b * middle + right, d, e, middle - d * middle - e * middle + down, zero, zero],
        axis=1,
    )
    return Moves(transforms.astype(np.float32), light.astype(np.float32))
