"""A photograph where its synthetic defect is: in the whole of it, small on a sheet, nobody would see one."""

import cv2
import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.imaging import encode_png
from defectory.storage.store import ObjectStore
from orchestrator.edits.pictures import read_line_mask, read_picture, without_alpha

TIMES, LEAST_PX = 2.0, 64  # side of the square that is shown: so many times the defect's, or so many pixels


def around_defect(store: ObjectStore, line: ManifestLine, side_px: int) -> bytes | None:
    """PNG of a square around the defect that was set into a photograph, so wide; None where none was.

    Raises:
        Corrupted, NotFound, …: picture or mask cannot be read.
    """
    if line.is_real or line.origin.edit is None or line.mask is None:
        return None
    mask, pixels = read_line_mask(store, line), without_alpha(read_picture(store, line))
    if mask is None or not mask.any():
        return None
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    side = min(max(LEAST_PX, round(TIMES * max(width, height))), *mask.shape)
    x = int(np.clip(left + width // 2 - side // 2, 0, mask.shape[1] - side))
    y = int(np.clip(top + height // 2 - side // 2, 0, mask.shape[0] - side))
    shown = cv2.resize(pixels[y : y + side, x : x + side], (side_px, side_px), interpolation=cv2.INTER_AREA)
    return encode_png(shown)
