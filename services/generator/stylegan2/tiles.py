"""The transforms of Winograd's algorithm: an activation is read once and written once, and the sums stay in the cache.

Tiles are counted along the rows, image by image. Pixels are (N, H, W C) of C channels; `places` are (36, T C): at
each of the 36 places what T tiles have there. Vectorised over the channels.
"""

import numpy as np
from numba import njit

from services.generator.stylegan2.compiled import OPTIONS
from services.generator.stylegan2.matrices import POINTS, TILE
from services.generator.stylegan2.sums import input_sums, output_gradient_sums, output_sums


@njit(**OPTIONS)
def room(line, channels, zero):  # type: ignore[no-untyped-def]
    """For the sums along one axis of the tiles of a row of pixels: (6, line + 2 channels) zeros."""
    return np.full((POINTS, line + 2 * channels), zero)


@njit(**OPTIONS)
def _in_a_row(tile, count, columns):  # type: ignore[no-untyped-def]
    """A tile's row and column, and how many of so many tiles from it on are in that row."""
    row, column = tile // columns, tile % columns
    return row, column, min(columns - column, count)


@njit(**OPTIONS)
def gather(x, c, first, count, down, places):  # type: ignore[no-untyped-def]
    """B^T d B of some tiles, zeros around the images; down is `room`."""
    height, line = x.shape[1:]
    columns, rows = line // (TILE * c), height // TILE
    zeros = np.full(line, x.dtype.type(0))
    tile = 0
    while tile < count:
        row, left, some = _in_a_row(first + tile, count - tile, columns)
        image, top = x[row // rows], TILE * (row % rows) - 1
        start, stop = max(TILE * left - 1, 0) * c, min(TILE * (left + some) + 1, TILE * columns) * c
        begin = c if left == 0 else 0
        end = begin + stop - start
        down[:, :begin] = 0
        down[:, end : end + c] = 0
        above = image[top] if top >= 0 else zeros
        below = image[top + 5] if top + 5 < height else zeros
        input_sums(
            above[start:stop], image[top + 1, start:stop], image[top + 2, start:stop], image[top + 3, start:stop],
            image[top + 4, start:stop], below[start:stop], down[0, begin:end], down[1, begin:end],
            down[2, begin:end], down[3, begin:end], down[4, begin:end], down[5, begin:end],
        )  # fmt: skip
        for i in range(POINTS):
            p = places[POINTS * i : POINTS * (i + 1)]
            for column in range(some):
                d, at = down[i, TILE * column * c :], slice((tile + column) * c, (tile + column + 1) * c)
                input_sums(
                    d[:c], d[c : 2 * c], d[2 * c : 3 * c], d[3 * c : 4 * c], d[4 * c : 5 * c], d[5 * c : 6 * c],
                    p[0, at], p[1, at], p[2, at], p[3, at], p[4, at], p[5, at],
                )  # fmt: skip
        tile += some


@njit(**OPTIONS)
def scatter(places, c, first, count, up, y):  # type: ignore[no-untyped-def]
    """A^T m A of some tiles, to their pixels; up is `room`."""
    height, line = y.shape[1:]
    columns, rows = line // (TILE * c), height // TILE
    tile = 0
    while tile < count:
        row, left, some = _in_a_row(first + tile, count - tile, columns)
        image, top = y[row // rows], TILE * (row % rows)
        at, part = slice(tile * c, (tile + some) * c), some * c
        for j in range(POINTS):
            output_sums(
                places[j, at], places[POINTS + j, at], places[2 * POINTS + j, at], places[3 * POINTS + j, at],
                places[4 * POINTS + j, at], places[5 * POINTS + j, at],
                up[j, :part], up[j, part : 2 * part], up[j, 2 * part : 3 * part], up[j, 3 * part : 4 * part],
            )  # fmt: skip
        for i in range(TILE):
            pixels = image[top + i, TILE * left * c :]
            for column in range(some):
                m, x = up[:, i * part + column * c :], TILE * column * c
                output_sums(
                    m[0, :c], m[1, :c], m[2, :c], m[3, :c], m[4, :c], m[5, :c], pixels[x : x + c],
                    pixels[x + c : x + 2 * c], pixels[x + 2 * c : x + 3 * c], pixels[x + 3 * c : x + 4 * c],
                )  # fmt: skip
        tile += some


@njit(**OPTIONS)
def gather_gradient(y, c, first, count, down, places):  # type: ignore[no-untyped-def]
    """A dy A^T of some tiles; down is `room`."""
    height, line = y.shape[1:]
    columns, rows = line // (TILE * c), height // TILE
    tile = 0
    while tile < count:
        row, left, some = _in_a_row(first + tile, count - tile, columns)
        image, top = y[row // rows], TILE * (row % rows)
        start, stop, part = TILE * left * c, TILE * (left + some) * c, TILE * some * c
        output_gradient_sums(
            image[top, start:stop], image[top + 1, start:stop], image[top + 2, start:stop],
            image[top + 3, start:stop],
            down[0, :part], down[1, :part], down[2, :part], down[3, :part], down[4, :part], down[5, :part],
        )  # fmt: skip
        for i in range(POINTS):
            p = places[POINTS * i : POINTS * (i + 1)]
            for column in range(some):
                d, at = down[i, TILE * column * c :], slice((tile + column) * c, (tile + column + 1) * c)
                output_gradient_sums(
                    d[:c], d[c : 2 * c], d[2 * c : 3 * c], d[3 * c : 4 * c],
                    p[0, at], p[1, at], p[2, at], p[3, at], p[4, at], p[5, at],
                )  # fmt: skip
        tile += some
