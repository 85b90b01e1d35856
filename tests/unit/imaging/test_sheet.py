"""Contact sheets show every picture in its tile."""

import numpy as np

from defectory.imaging.sheet import contact_sheet


def test_pictures_of_one_size_fill_rows_and_the_rest_is_ground() -> None:
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] + np.zeros((3, 2, 2, 1), np.uint8) + 1
    sheet = contact_sheet(images, columns=2)[..., 0]
    np.testing.assert_array_equal(sheet, [[1, 1, 2, 2]] * 2 + [[3, 3, 0, 0]] * 2)


def test_smaller_pictures_keep_their_size_between_gaps_and_under_room_for_words() -> None:
    sheet = contact_sheet(
        [np.full((1, 2), 1, np.uint8), np.full((2, 1), 2, np.uint8), np.full((1, 1), 3, np.uint8)],
        columns=2, gap_px=1, above_px=1, ground=9,
    )  # fmt: skip
    expected = [
        [9, 9, 9, 9, 9],
        [1, 1, 9, 2, 9],
        [9, 9, 9, 2, 9],
        [9, 9, 9, 9, 9],
        [9, 9, 9, 9, 9],
        [3, 9, 9, 9, 9],
        [9, 9, 9, 9, 9],
    ]
    np.testing.assert_array_equal(sheet, expected)


def test_tiles_can_be_larger_than_any_picture() -> None:
    sheet = contact_sheet([np.ones((1, 1, 3), np.uint8)], 1, tile_px=(2, 3))
    assert sheet.shape == (2, 3, 3)
    assert sheet.sum() == 3
