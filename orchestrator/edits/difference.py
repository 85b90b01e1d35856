"""What a person changed: where an edited picture differs from its original by more than the editor rounds."""

from dataclasses import dataclass

import cv2
import numpy as np

from defectory.errors import InvalidInput
from orchestrator.edits.turning import UPRIGHTED

ROUNDING = {8: 1, 16: 8}  # of bits: Krita was seen to be 6 of 65,535 off where grey became RGB
DEEP_AS_8_BIT = 260  # of 65,535, where 16 bits came back as 8: half a step of 8 bits and the rounding
CRUMB_PIXELS = 4  # of a changed area; fewer are no stroke
NEARLY_ALL = 0.8  # share of the picture beyond which it is another picture, not an edit of this one
UNLIKE = 0.5  # share of pixels that differ from which it is looked at whether the picture was turned


@dataclass(frozen=True)
class Change:
    """An edit by hand.

    Attributes:
        pixels: the edited picture, of the original's type and channels; outside the mask the original's own numbers.
        mask: bool (H, W), what was changed.
        notes: what was done to bring the two together.
    """

    pixels: np.ndarray
    mask: np.ndarray
    notes: tuple[str, ...]


def change_of(original: np.ndarray, edited: np.ndarray) -> Change:
    """Compare an edited picture with its original.

    Args:
        original: uint8 or uint16 (H, W, C), upright. edited: uint8 or uint16 (h, w, c), as it came back.

    Raises:
        InvalidInput: of another size, see-through, nothing changed, or nearly everything; says which.
    """
    notes: list[str] = []
    theirs = _channels_as(original, edited, notes)
    if original.dtype == np.uint16 and theirs.dtype == np.uint8:
        theirs, rounding = theirs.astype(np.uint16) * 257, DEEP_AS_8_BIT
        notes.append("it came back with 8 bits, and its original has 16: only larger differences can be seen")
    elif original.dtype == np.uint8 and theirs.dtype == np.uint16:
        theirs, rounding = ((theirs.astype(np.uint32) + 128) // 257).astype(np.uint8), ROUNDING[8]
    else:
        rounding = ROUNDING[8 * original.dtype.itemsize]
    theirs = _lying_as(original, theirs, rounding, notes)
    mask = _cleaned(_differs(original, theirs, rounding))
    share = float(mask.mean())
    if not mask.any():
        raise InvalidInput("it changes nothing: it is its original, but for what an editor rounds")
    if share > NEARLY_ALL:
        raise InvalidInput(
            f"it differs from its original in {share:.0%} of all pixels: edit a part of the picture alone, and change "
            "neither its brightness nor its colours as a whole"
        )
    return Change(np.where(mask[..., None], theirs, original), mask, tuple(notes))


def _channels_as(original: np.ndarray, edited: np.ndarray, notes: list[str]) -> np.ndarray:
    """The edited picture with the original's channels: full alpha goes, R=G=B is grey."""
    wanted, deepest = original.shape[2], np.iinfo(edited.dtype).max
    if edited.shape[2] in (2, 4) and wanted != 4:
        if int(edited[..., -1].min()) < deepest:
            raise InvalidInput(
                "parts of it are transparent, and its original is not: flatten the image, then export it"
            )
        edited = edited[..., :-1]
    if edited.shape[2] == wanted:
        return edited
    if edited.shape[2] == 1:
        return np.repeat(edited, min(wanted, 3), axis=2) if wanted == 3 else _with_full_alpha(edited)
    if wanted == 4:
        return _with_full_alpha(edited)
    spread = int((edited.max(axis=2).astype(np.int32) - edited.min(axis=2)).max())
    if spread > ROUNDING[8 * edited.dtype.itemsize]:
        notes.append("it has colours, and its original is grey: they were made grey")
        grey = edited.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
        rounded: np.ndarray = np.round(grey).astype(edited.dtype)[..., None]
        return rounded
    median: np.ndarray = np.median(edited, axis=2).astype(edited.dtype)[..., None]
    return median


def _with_full_alpha(edited: np.ndarray) -> np.ndarray:
    colours = np.repeat(edited[..., :1], 3, axis=2) if edited.shape[2] < 3 else edited[..., :3]
    return np.dstack([colours, np.full(edited.shape[:2], np.iinfo(edited.dtype).max, edited.dtype)])


def _lying_as(original: np.ndarray, edited: np.ndarray, rounding: int, notes: list[str]) -> np.ndarray:
    """The edited picture turned as its original lies: an editor may forget what EXIF says."""
    sizes = {original.shape[:2], original.shape[1::-1]}
    if edited.shape[:2] not in sizes:
        raise InvalidInput(
            f"it is {edited.shape[1]}x{edited.shape[0]} and its original {original.shape[1]}x{original.shape[0]}: "
            "flatten the image before it is exported (else one layer alone may be saved), and keep its size"
        )
    fitting = {number: turn(edited) for number, turn in UPRIGHTED.items()}
    fitting = {number: turned for number, turned in fitting.items() if turned.shape == original.shape}
    unlike = {number: float(_differs(original, turned, rounding).mean()) for number, turned in fitting.items()}
    if unlike.get(1, 1.0) <= UNLIKE:
        return edited
    best = min(unlike, key=lambda number: (unlike[number], number))
    if best != 1 and unlike[best] <= UNLIKE:
        notes.append("it lay otherwise than its original, and was turned back")
        return fitting[best]
    if 1 not in fitting:
        raise InvalidInput("it was turned, and does not show its original whichever way it is turned back")
    return edited


def _differs(original: np.ndarray, edited: np.ndarray, rounding: int) -> np.ndarray:
    """bool (H, W), where any channel differs by more than is rounded."""
    return np.asarray((np.abs(original.astype(np.int32) - edited.astype(np.int32)) > rounding).any(axis=2))


def _cleaned(differs: np.ndarray) -> np.ndarray:
    """Strokes made whole: small gaps and holes are part of them, crumbs are not."""
    closed = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(closed)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    _, areas, rows, _ = cv2.connectedComponentsWithStats(filled, connectivity=8)
    large = np.flatnonzero(rows[:, 4] >= CRUMB_PIXELS)
    return np.asarray(np.isin(areas, large[large > 0]))
