"""A defect cut out of its photograph with some of the ground around it, scaled, turned and mirrored."""

from dataclasses import dataclass

import cv2
import numpy as np

from orchestrator.edits.surface import Surface, surface_around

MARGIN_PX = 24  # of ground around a defect: the edge's fade, and what tells level and exposure beyond it


@dataclass(frozen=True)
class Patch:
    """A piece of a photograph.

    Attributes:
        pixels: float32 (h, w, C), in [0, 255].
        mask: float32 (h, w), 1 on the defect, 0 beside it, between them where it was turned or scaled.
        ground: float32 (h, w), 1 where its own photograph showed the ground: 0 on defects and beyond the border.
        surface: what it was like around it where it was cut out; interpolation would make it smoother.
    """

    pixels: np.ndarray
    mask: np.ndarray
    ground: np.ndarray
    surface: Surface | None = None


def cut(pixels: np.ndarray, mask: np.ndarray, defects: np.ndarray | None = None) -> Patch:
    """What a mask covers, with a margin around it; beyond the photograph's border it is mirrored.

    Args:
        pixels: uint8 (H, W, C).
        mask: bool (H, W), not empty.
        defects: bool (H, W), all of the photograph's; None: the mask.
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    bottom, right = top + height + MARGIN_PX, left + width + MARGIN_PX
    above, beside = max(0, MARGIN_PX - top), max(0, MARGIN_PX - left)
    below, behind = max(0, bottom - mask.shape[0]), max(0, right - mask.shape[1])
    rows = slice(max(0, top - MARGIN_PX), bottom)
    columns = slice(max(0, left - MARGIN_PX), right)
    pad = (above, below), (beside, behind)
    around = np.pad(pixels[rows, columns].astype(np.float32), (*pad, (0, 0)), "symmetric")
    shape = np.pad(mask[rows, columns].astype(np.float32), pad)
    ground = np.pad((mask if defects is None else defects)[rows, columns] == 0, pad).astype(np.float32)
    return Patch(around, shape, ground, surface_around(around, shape, ground))


def piece(pixels: np.ndarray, mask: np.ndarray) -> Patch:
    """A window of a photograph of which everything is ground: what is set elsewhere by the shape of a mask.

    Args:
        pixels: (h, w, C), in [0, 255]. mask: float32 (h, w).
    """
    return Patch(pixels.astype(np.float32), mask, np.ones_like(mask))


def posed(patch: Patch, size: float, turn_degrees: float, mirror: bool) -> Patch:
    """A patch at another size, turned about its middle, and mirrored first.

    Args:
        size: factor of its width and height; the margin stays what it was.
    """
    if size == 1 and turn_degrees == 0:  # no pixel is interpolated
        if not mirror:
            return patch
        pixels, mask, ground = (np.ascontiguousarray(x[:, ::-1]) for x in (patch.pixels, patch.mask, patch.ground))
        return Patch(pixels, mask, ground, patch.surface)
    height, width = patch.mask.shape
    across, down = width - 2 * MARGIN_PX, height - 2 * MARGIN_PX
    cosine, sine = abs(np.cos(np.radians(turn_degrees))), abs(np.sin(np.radians(turn_degrees)))
    new_width = int(np.ceil(size * (across * cosine + down * sine))) + 2 * MARGIN_PX
    new_height = int(np.ceil(size * (across * sine + down * cosine))) + 2 * MARGIN_PX
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_degrees, size)
    matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
    if mirror:
        matrix = matrix @ np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]], np.float64)

    def warped(image: np.ndarray, how: int, border: int) -> np.ndarray:
        return np.asarray(cv2.warpAffine(image, matrix, (new_width, new_height), flags=how, borderMode=border))

    pixels = warped(patch.pixels, cv2.INTER_CUBIC, cv2.BORDER_REFLECT).reshape(new_height, new_width, -1)
    ground = warped(patch.ground, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
    return Patch(
        np.clip(pixels, 0, 255),
        warped(patch.mask, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT),
        ground,
        patch.surface,
    )
