"""One drawn cable: its picture and the mask of what is wrong with it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from defectory.errors import InvalidInput
from orchestrator.cables.faults import FAULTS
from orchestrator.cables.photograph import take_photograph
from orchestrator.cables.scene import random_for, sample_scene
from orchestrator.cables.surface import Surface, build_surface

KINDS = ("good", *FAULTS)
SMALLEST_PX, LARGEST_PX = 16, 2048
SMALLEST_RENDER_PX = 384  # a wire needs some pixels before it is averaged down


@dataclass(frozen=True)
class Drawing:
    """A picture of a cable."""

    image: NDArray[np.uint8]  # (H, W, 3), sRGB
    mask: NDArray[np.uint8]  # (H, W), 255 where something is wrong, else 0
    kind: str


def draw_cable(seed: int, kind: str = "good", size_px: int = 256) -> Drawing:
    """Draw the cable of a seed, good or with one kind of fault. The same arguments give the same bytes.

    The scene (pose, light, camera, every wire) depends on the seed alone: a kind changes only what is wrong.

    Args:
        seed: >= 0.
        kind: one of KINDS.
        size_px: side of the square picture, in [16, 2048].

    Raises:
        InvalidInput: an argument out of its range.
    """
    _check(seed, kind, size_px)
    side = size_px * max(2, -(-SMALLEST_RENDER_PX // size_px))
    good = sample_scene(seed)
    if kind == "good":
        surface = build_surface(good, side)
        return Drawing(take_photograph(good, surface, size_px), np.zeros((size_px, size_px), dtype=np.uint8), kind)
    wrong = FAULTS[kind](good, random_for(seed, f"fault {kind}"))
    surface = build_surface(wrong, side)
    mask = _difference(build_surface(good, side), surface, size_px)
    return Drawing(take_photograph(wrong, surface, size_px), mask, kind)


def _check(seed: int, kind: str, size_px: int) -> None:
    if seed < 0:
        raise InvalidInput(f"seed is {seed}; use a whole number from 0 on", {"seed": "0 or more"})
    if kind not in KINDS:
        raise InvalidInput(
            f"there is no kind {kind!r} of cable; kinds are {', '.join(KINDS)}", {"kind": "one of KINDS"}
        )
    if not SMALLEST_PX <= size_px <= LARGEST_PX:
        right = f"{SMALLEST_PX} to {LARGEST_PX}"
        raise InvalidInput(f"size_px is {size_px}; use {right}", {"size_px": right})


def _difference(good: Surface, wrong: Surface, size_px: int) -> NDArray[np.uint8]:
    """Where something else lies than on the good cable, holes filled: a swapped strand counts with its wires."""
    changed = (good.content != wrong.content).astype(np.uint8)
    side = len(changed)
    reach = max(3, side // 128) | 1
    changed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    outlines, _ = cv2.findContours(changed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    smallest = (side * 0.008) ** 2
    kept = [outline for outline in outlines if cv2.contourArea(outline) >= smallest]
    filled = cv2.drawContours(np.zeros_like(changed), kept, -1, 1, thickness=cv2.FILLED)
    share = cv2.resize(filled.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_AREA)
    mask = share >= 0.5
    if not mask.any():  # a small fault in a small picture covers less than half of any pixel
        mask = share >= max(float(share.max()), 1e-6)
    grey: NDArray[np.uint8] = mask.astype(np.uint8) * 255
    return grey
