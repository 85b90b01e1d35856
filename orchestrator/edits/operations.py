"""The edits themselves: what becomes of a picture's pixels and mask, once an edit has been drawn."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict

from orchestrator.edits.anomalies import anomaly
from orchestrator.edits.blending import REACH_PX, blended, level_of
from orchestrator.edits.patches import MARGIN_PX, Patch, cut, piece, posed
from orchestrator.edits.recipe import Blend, EditName
from orchestrator.edits.regions import only, regions_of
from orchestrator.edits.surface import surface_around

CLEAR_TRIES = 64  # places looked at for a clear piece of ground, of which the one that fits best is taken
AROUND_PX = 20  # of a region that is moved within its picture: its fade, and some ground to take the level from
NEAR_PX = 9  # within which a ground's level is taken where its noise is looked at
FAINT = 4.0  # grey levels of noise, of the smoothest ground: below, an eye sees no less of it


class Drawn(BaseModel):
    """An edit as it was drawn: with its parents' pictures it gives the same pixels again.

    Attributes:
        region: of the donor's mask, counted from the largest. second: another one, of `swap` and `recolour`.
        place: centre (x, y) of the region in the edited picture, px. second_place: of the other one.
        seed: of all that is drawn while a `patch`, a `scar` or a `texture` is made.
        around: where the donor's mask is from. mask: sha256 of one that was made of heat; "": it is the donor's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edit: EditName
    region: int = 0
    second: int | None = None
    size: float = 1
    turn_degrees: float = 0
    mirror: bool = False
    contrast: float = 1
    place: tuple[int, int] | None = None
    second_place: tuple[int, int] | None = None
    blend: Blend
    around: Literal["masks", "heat"] = "masks"
    mask: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Picture:
    """A picture's pixels, uint8 (H, W, C) without alpha, and its mask, bool (H, W); None where it has none."""

    pixels: np.ndarray
    mask: np.ndarray | None


def apply(drawn: Drawn, ground: Picture, donor: Picture, patch: Patch | None = None) -> Picture | None:
    """The edited picture; None where the edit does not fit into it.

    Args:
        ground: what is edited. donor: whose defect it is; the ground itself where that is edited.
        patch: the donor's region, where it was cut out before.
    """
    return _EDITS[drawn.edit](drawn, ground, donor, patch)


def region_patch(donor: Picture, region: int) -> Patch:
    """A region of a picture's mask, cut out."""
    return cut(donor.pixels, region_mask(donor, region), donor.mask)


def region_mask(donor: Picture, region: int) -> np.ndarray:
    """Which pixels a region covers, bool (H, W)."""
    mask = donor.mask if donor.mask is not None else np.zeros(donor.pixels.shape[:2], bool)
    return only(mask, regions_of(mask)[region])


def _copy(drawn: Drawn, ground: Picture, donor: Picture, patch: Patch | None) -> Picture | None:
    own = patch or region_patch(donor, drawn.region)
    changed = posed(own, drawn.size, drawn.turn_degrees, drawn.mirror)
    return set_patch(ground, changed, _place(drawn), drawn.blend, drawn.contrast, matching=True)


def _change(drawn: Drawn, ground: Picture, donor: Picture, patch: Patch | None) -> Picture | None:
    whole, own = region_mask(donor, drawn.region), patch or region_patch(donor, drawn.region)
    without = _removed(ground, whole, drawn.blend)
    rest = (ground.mask & ~whole) if ground.mask is not None else None
    changed = posed(own, drawn.size, drawn.turn_degrees, drawn.mirror)
    return set_patch(Picture(without, rest), changed, _place(drawn), drawn.blend, drawn.contrast)


def _remove(drawn: Drawn, ground: Picture, donor: Picture, patch: Patch | None) -> Picture | None:
    mask = ground.mask
    return Picture(_removed(ground, mask, drawn.blend), None) if mask is not None and mask.any() else None


def _swap(drawn: Drawn, ground: Picture, donor: Picture, patch: Patch | None) -> Picture | None:
    """Both regions have the first one's shape: nothing is left over. No level is matched: they are to differ."""
    shape = _shape(region_mask(donor, drawn.region))
    first, second = _window(ground.pixels, shape, _place(drawn)), _window(ground.pixels, shape, _second(drawn))
    if first is None or second is None:
        return None
    pixels, mask = ground.pixels, np.zeros(ground.pixels.shape[:2], bool)
    mask[first] = shape > 0.5
    if (mask[second] & (shape > 0.5)).any():
        return None
    for here, there in ((first, second), (second, first)):
        moved = piece(ground.pixels[there], shape)
        pixels = _joined(pixels, here, moved, "soft", 1)
        mask[here] |= shape > 0.5
    return Picture(pixels, mask)


def _recolour(drawn: Drawn, ground: Picture, donor: Picture, patch: Patch | None) -> Picture | None:
    """Mean and spread of every channel become the neighbour's (Reinhard et al. 2001, Color transfer between images)."""
    shape = _shape(region_mask(donor, drawn.region))
    here, there = _window(ground.pixels, shape, _place(drawn)), _window(ground.pixels, shape, _second(drawn))
    if here is None or there is None:
        return None
    inside = shape > 0.5
    own, other = ground.pixels[here].astype(np.float32), ground.pixels[there].astype(np.float32)[inside]
    spread = other.std(axis=0) / np.maximum(own[inside].std(axis=0), 1)
    coloured = (own - own[inside].mean(axis=0)) * np.clip(spread, 0.5, 2) + other.mean(axis=0)
    mask = np.zeros(ground.pixels.shape[:2], bool)
    mask[here] = inside
    return Picture(_joined(ground.pixels, here, piece(np.clip(coloured, 0, 255), shape), "soft", 1), mask)


def _anomaly(drawn: Drawn, ground: Picture, donor: Picture, patch: Patch | None) -> Picture | None:
    changed = anomaly(drawn.edit, ground.pixels, donor.pixels, drawn.seed)
    return Picture(*changed) if changed else None


_EDITS: Mapping[EditName, Callable[[Drawn, Picture, Picture, Patch | None], Picture | None]] = {
    "copy": _copy, "repeat": _copy, "change": _change, "remove": _remove, "swap": _swap, "recolour": _recolour,
    "patch": _anomaly, "scar": _anomaly, "texture": _anomaly,
}  # fmt: skip

Window = tuple[slice, slice]


def set_patch(
    ground: Picture,
    patch: Patch,
    place: tuple[int, int],
    blend: Blend,
    contrast: float,
    *,
    matching: bool = False,
) -> Picture | None:
    """A patch in a picture, beside the defects that are there already.

    Args:
        matching: only where the ground is like that which the patch was cut out of.
    """
    fitting = _window(ground.pixels, patch.mask, place)
    if fitting is None:
        clipped = _clipped(ground.pixels, patch, place)
        if clipped is None:
            return None
        fitting, patch = clipped
    shown = patch.mask > 0.5
    if matching and patch.surface is not None:
        there = surface_around(ground.pixels[fitting].astype(np.float32), patch.mask)
        if there is not None and not patch.surface.is_like(there):
            return None
    if ground.mask is not None and (ground.mask[fitting] & shown).any():
        return None
    mask = np.zeros(ground.pixels.shape[:2], bool) if ground.mask is None else ground.mask.copy()
    mask[fitting] |= shown
    return Picture(_joined(ground.pixels, fitting, patch, blend, contrast), mask)


def _joined(pixels: np.ndarray, window: Window, patch: Patch, blend: Blend, contrast: float) -> np.ndarray:
    edited = pixels.copy()
    joined = blended(pixels[window].astype(np.float32), patch, blend, contrast)
    edited[window] = np.round(joined).astype(np.uint8)
    return edited


def _window(pixels: np.ndarray, shape: np.ndarray, place: tuple[int, int]) -> Window | None:
    """Where a window of that shape lies with its middle at a place; None where it is not whole within the picture."""
    height, width = shape.shape
    left, top = place[0] - width // 2, place[1] - height // 2
    if left < 0 or top < 0 or left + width > pixels.shape[1] or top + height > pixels.shape[0]:
        return None
    return slice(top, top + height), slice(left, left + width)


def _clipped(pixels: np.ndarray, patch: Patch, place: tuple[int, int]) -> tuple[Window, Patch] | None:
    """Where a patch lies whose margin reaches beyond the picture, and what of it is within; None: its mask does."""
    height, width = patch.mask.shape
    left, top = place[0] - width // 2, place[1] - height // 2
    rows = slice(max(0, -top), min(height, pixels.shape[0] - top))
    columns = slice(max(0, -left), min(width, pixels.shape[1] - left))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    inner = patch.mask[rows, columns]
    border = np.concatenate([inner[0], inner[-1], inner[:, 0], inner[:, -1]])
    if int((inner > 0).sum()) < int((patch.mask > 0).sum()) or border.any():
        return None
    window = slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)
    return window, Patch(patch.pixels[rows, columns], inner, patch.ground[rows, columns], patch.surface)


def _removed(picture: Picture, mask: np.ndarray, blend: Blend) -> np.ndarray:
    """The pixels with clear ground of the same picture over a mask's regions, uint8 (H, W, C).

    A piece of ground has the surface's texture, which no diffusion into the hole would give. Where there is no clear
    piece of that shape, the hole gets the level of the ground around it.
    """
    pixels = picture.pixels
    taken = mask if picture.mask is None else mask | picture.mask
    for region in regions_of(mask):
        hole = cv2.dilate(only(mask, region).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        pixels = _filled(pixels, hole, taken, "matched" if blend == "paste" else blend)
    return pixels


def _filled(pixels: np.ndarray, hole: np.ndarray, taken: np.ndarray, blend: Blend) -> np.ndarray:
    shape = _shape(hole)
    left, top, width, height = cv2.boundingRect(hole.astype(np.uint8))
    here = (left + width // 2, top + height // 2)
    level = level_of(pixels.astype(np.float32), (~taken).astype(np.float32))
    target, best = _window(pixels, shape, here), None
    seen = cv2.distanceTransform((shape <= 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) < REACH_PX
    for place in _clear_places(pixels.shape[:2], shape.shape):
        window = _window(pixels, shape, place)
        if window is None or (taken[window] & seen).any():
            continue
        unlike = float(np.abs(level[window][seen].mean(axis=0) - level[hole].mean(axis=0)).mean())
        if best is None or unlike < best[0]:
            best = unlike, window
    if best is None or target is None:
        return np.where(hole[..., None], np.round(level).astype(np.uint8), pixels)
    clear = Patch(pixels[best[1]].astype(np.float32), shape, (~taken[best[1]]).astype(np.float32))
    return _joined(pixels, target, clear, blend, 1)


def _clear_places(size: tuple[int, int], shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Middles (x, y) of windows within a picture, spread evenly (Halton's sequence, bases 2 and 3)."""
    down, across = size[0] - shape[0], size[1] - shape[1]
    if down < 0 or across < 0:
        return
    for number in range(1, CLEAR_TRIES + 1):
        x, y = _radical_inverse(number, 2), _radical_inverse(number, 3)
        yield int(x * (across + 1)) + shape[1] // 2, int(y * (down + 1)) + shape[0] // 2


def _radical_inverse(number: int, base: int) -> float:
    inverse, digit = 0.0, 1.0
    while number:
        digit /= base
        number, rest = divmod(number, base)
        inverse += rest * digit
    return inverse


def _shape(mask: np.ndarray) -> np.ndarray:
    """A mask with as much around it as blending needs, float32 (h, w)."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return np.pad(mask[top : top + height, left : left + width].astype(np.float32), AROUND_PX)


def _place(drawn: Drawn) -> tuple[int, int]:
    return drawn.place or (0, 0)


def _second(drawn: Drawn) -> tuple[int, int]:
    return drawn.second_place or (0, 0)


def stands_out(before: np.ndarray, edited: Picture, mask: np.ndarray) -> float:
    """How plain an edit is: the difference that it made on a mask, in standard deviations of the ground beside it.

    Args:
        before: uint8 (H, W, C). mask: bool (H, W), what the edit marked.
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    rows = slice(max(0, top - MARGIN_PX), top + height + MARGIN_PX)
    columns = slice(max(0, left - MARGIN_PX), left + width + MARGIN_PX)
    inside = mask[rows, columns]
    was, now = before[rows, columns].astype(np.float32), edited.pixels[rows, columns].astype(np.float32)
    difference = cv2.GaussianBlur(now - was, (0, 0), 1.0).reshape(now.shape)  # of another texture little is left
    change = np.abs(difference).mean(axis=-1)[inside]
    noise = (was - cv2.blur(was, (NEAR_PX, NEAR_PX)).reshape(was.shape))[~inside]
    spread = float(noise.std()) if noise.size else 0.0
    plainest = change.size - change.size // 10 - 1
    return float(np.partition(change, plainest)[plainest]) / max(spread, FAINT)
