"""BMP of 1, 4 and 8 bits a pixel with palettes of every kind: what the header says, as OpenCV reads it."""

import struct

import cv2
import numpy as np
import pytest

from defectory.datasets.masks import read_mask
from defectory.imaging import decode

WIDTH, HEIGHT = 40, 6
BLACK_AND_WHITE = [(0, 0, 0), (255, 255, 255)]
GREYS = [(n, n, n) for n in range(16)]
COLOURS = [(0, 0, 0), (200, 30, 60), (10, 220, 90)]


def stored(pixels: np.ndarray, bits: int, palette: list[tuple[int, int, int]], names_its_entries: bool = True) -> bytes:
    """A BMP file written by the format's description (BITMAPINFOHEADER, rows from the bottom, blue first)."""
    rows = b""
    for row in pixels[::-1]:
        wide = np.unpackbits(row[:, None], axis=1)[:, 8 - bits :]
        packed = np.packbits(wide.ravel()).tobytes()
        rows += packed + b"\0" * (-len(packed) % 4)
    table = b"".join(struct.pack("<BBBB", blue, green, red, 0) for red, green, blue in palette)
    start = 14 + 40 + len(table)
    used = len(palette) if names_its_entries else 0
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, bits, 0, len(rows), 0, 0, used, 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + table + rows


@pytest.mark.parametrize(
    ("bits", "palette", "names_its_entries"),
    [
        (1, BLACK_AND_WHITE, True), (1, BLACK_AND_WHITE[::-1], True), (4, BLACK_AND_WHITE, True), (4, GREYS, True),
        (4, GREYS, False), (4, GREYS[:5], True), (4, COLOURS, True), (8, BLACK_AND_WHITE, True),
        (8, BLACK_AND_WHITE[::-1], True), (8, COLOURS, True), (8, GREYS, True),
        (8, [(n, n, n) for n in range(256)], True),
    ],
)  # fmt: skip
def test_every_palette_is_read_as_the_header_says(
    bits: int, palette: list[tuple[int, int, int]], names_its_entries: bool
) -> None:
    pixels = np.random.default_rng(bits).integers(0, len(palette), (HEIGHT, WIDTH)).astype(np.uint8)
    data = stored(pixels, bits, palette, names_its_entries)
    expected = np.array(palette, np.uint8)[pixels]
    assert (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] == expected).all()
    assert (np.asarray(decode(data).convert("RGB")) == expected).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_a_mask_of_two_colours_keeps_its_defect(bits: int) -> None:
    marked = np.zeros((HEIGHT, WIDTH), np.uint8)
    marked[1:3, 2:30] = 1
    mask = read_mask(stored(marked, bits, BLACK_AND_WHITE), WIDTH, HEIGHT)
    assert (np.asarray(mask) == marked * 255).all()
