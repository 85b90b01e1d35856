"""Contact sheets: pictures side by side, as one."""

from collections.abc import Sequence

import numpy as np


def contact_sheet(
    pictures: Sequence[np.ndarray] | np.ndarray,
    columns: int,
    *,
    tile_px: tuple[int, int] | None = None,
    gap_px: int = 0,
    above_px: int = 0,
    ground: int = 0,
) -> np.ndarray:
    """Pictures row by row, each in the upper left corner of its tile.

    Args:
        pictures: at least one, or an array of them; uint8 (height, width) or (height, width, C), C the same for all.
        columns: of the sheet, at least 1.
        tile_px: height and width of a tile, no less than any picture's; None: the largest picture's.
        gap_px: between two tiles; around the sheet there is none.
        above_px: above every row, for what is written there.
        ground: grey level of what no picture covers.

    Returns:
        uint8 (rows * (above + height) + gaps, columns * width + gaps), with C where the pictures have it.
    """
    height, width = tile_px or (max(p.shape[0] for p in pictures), max(p.shape[1] for p in pictures))
    rows = -(-len(pictures) // columns)
    down, right = above_px + height + gap_px, width + gap_px
    size = rows * down - gap_px, columns * right - gap_px
    sheet = np.full((*size, *pictures[0].shape[2:]), ground, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * down + above_px, number % columns * right
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet
