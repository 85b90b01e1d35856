"""What a surface is like: how bright and how rough. A defect is set where the surface is like that around it."""

from dataclasses import dataclass

import cv2
import numpy as np

BRIGHTER, ROUGHER = 1.6, 1.25  # times, by which surfaces may differ and still be alike
AROUND_PX = (6.0, 20.0)  # from a defect's edge: where the ground around it is looked at


@dataclass(frozen=True)
class Surface:
    """How bright a surface is, and how rough.

    Attributes:
        level: mean grey level. roughness: mean difference from what lies within some px, as a share of the level.
    """

    level: float
    roughness: float

    def is_like(self, other: "Surface") -> bool:
        """Whether both are about as bright and as rough."""
        return _within(self.level, other.level, BRIGHTER) and _within(self.roughness, other.roughness, ROUGHER)


def surface_around(pixels: np.ndarray, mask: np.ndarray, ground: np.ndarray | None = None) -> Surface | None:
    """The surface around a defect; None where nothing of it can be seen.

    Args:
        pixels: float32 (h, w, C). mask: float32 (h, w), the defect.
        ground: float32 (h, w), 1 where the ground is seen; None: everywhere beside the defect.
    """
    grey = pixels.mean(axis=-1)
    away = cv2.distanceTransform((mask <= 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    around = (away > AROUND_PX[0]) & (away <= AROUND_PX[1])
    if ground is not None:
        around &= ground > 0
    if not around.any():
        return None
    level = max(float(grey[around].mean()), 1.0)
    rough = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 2.0))[around]
    return Surface(level, max(float(rough.mean()), 0.1) / level)


def _within(one: float, other: float, factor: float) -> bool:
    return one <= factor * other and other <= factor * one
