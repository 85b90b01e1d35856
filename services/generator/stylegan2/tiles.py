"""The transforms of Winograd's algorithm: an activation is read once and written once, all sums are in registers.

Tiles are counted along the rows, image by image. Pixels are (N, H, W, C); at each of the 36 places a tile's channels
lie in vectors, so many numbers from one place, tile and vector to the next.
"""

import numpy as np
from numba import njit

from services.generator.stylegan2.compiled import OPTIONS
from services.generator.stylegan2.matrices import PIXELS, PLACES, POINTS, TILE
from services.generator.stylegan2.sums import input_sums, output_gradient_sums, output_sums
from services.generator.stylegan2.vectors import LANES, behind, transform

_to_places = transform(input_sums, POINTS, source_table=True)
_to_pixels = transform(output_sums, POINTS, target_table=True)
_gradient_to_places = transform(output_gradient_sums, TILE, source_table=True)


@njit(**OPTIONS)
def table():  # type: ignore[no-untyped-def]
    """For the addresses of a tile's pixels."""
    return np.empty(PLACES, np.int64)


@njit(**OPTIONS)
def _pixels(x, size, tile, pixels, zero):  # type: ignore[no-untyped-def]
    """Put the addresses of a tile's 4x4 pixels into a table."""
    _, width, c = size
    columns = width // TILE
    row, left = tile // columns * TILE, tile % columns * TILE
    for pixel in range(PIXELS):
        pixels[pixel] = behind(x, ((row + pixel // TILE) * width + left + pixel % TILE) * c, zero)


@njit(**OPTIONS)
def _surroundings(x, size, tile, zeros, pixels, zero):  # type: ignore[no-untyped-def]
    """Put the addresses of the 6x6 pixels that a tile depends on into a table; zeros lie around an image."""
    height, width, c = size
    columns, rows = width // TILE, height // TILE
    top, left = tile // columns % rows * TILE - 1, tile % columns * TILE - 1
    image = tile // columns // rows * height
    for pixel in range(PLACES):
        i, j = top + pixel // POINTS, left + pixel % POINTS
        outside = i < 0 or i >= height or j < 0 or j >= width
        pixels[pixel] = zeros if outside else behind(x, ((image + i) * width + j) * c, zero)


@njit(**OPTIONS)
def gather(x, size, zeros, tile, pixels, places, steps, at, zero):  # type: ignore[no-untyped-def]
    """B^T d B of a tile, zeros around the image.

    Args:
        x: address of the activations, whose size is (H, W, C); zeros: of C zeros; pixels: a `table`.
        places: address; steps: from one place, tile and vector there to the next, and at: which tile this is there.
    """
    _surroundings(x, size, tile, zeros, pixels, zero)
    for v in range(size[2] // LANES):
        _to_places(pixels.ctypes.data, 0, v * LANES, places, steps[0], at * steps[1] + v * steps[2], zero)


@njit(**OPTIONS)
def scatter(places, steps, at, tile, pixels, y, size, zero):  # type: ignore[no-untyped-def]
    """A^T m A of a tile, to its pixels; see `gather`."""
    _pixels(y, size, tile, pixels, zero)
    for v in range(size[2] // LANES):
        _to_pixels(places, steps[0], at * steps[1] + v * steps[2], pixels.ctypes.data, 0, v * LANES, zero)


@njit(**OPTIONS)
def gather_gradient(y, size, tile, pixels, places, steps, at, zero):  # type: ignore[no-untyped-def]
    """A dy A^T of a tile; see `gather`."""
    _pixels(y, size, tile, pixels, zero)
    for v in range(size[2] // LANES):
        _gradient_to_places(pixels.ctypes.data, 0, v * LANES, places, steps[0], at * steps[1] + v * steps[2], zero)
