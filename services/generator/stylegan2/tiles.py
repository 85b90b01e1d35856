"""The transforms of Winograd's algorithm: an activation is read once and written once, and the sums stay in the cache.

Tiles are counted along the rows, image by image. Pixels are (N, H, W C) of C channels; `places` are (36, T C): at each
of the 36 places what T tiles have there. Vectorised over the channels.
"""

import numpy as np
from numba import njit

from services.generator.stylegan2.compiled import OPTIONS

TILE = 4  # side of an output tile
POINTS = 6  # side of the input tile that it depends on
TWO, FOUR, EIGHT = np.float32(2), np.float32(4), np.float32(8)  # of a type that widens nothing


@njit(**OPTIONS)
def _input_sums(d0, d1, d2, d3, d4, d5, o0, o1, o2, o3, o4, o5):  # type: ignore[no-untyped-def]
    """B^T along one axis: six neighbours to six sums."""
    for c in range(len(o0)):
        odd, even = d3[c] - d1[c], d4[c] - d2[c]
        far_odd, far_even = d3[c] - FOUR * d1[c], d4[c] - FOUR * d2[c]
        o0[c] = FOUR * (d0[c] - d2[c]) + even
        o1[c] = far_even + far_odd
        o2[c] = far_even - far_odd
        o3[c] = even + TWO * odd
        o4[c] = even - TWO * odd
        o5[c] = d5[c] - d3[c] - FOUR * odd


@njit(**OPTIONS)
def _output_sums(m0, m1, m2, m3, m4, m5, o0, o1, o2, o3):  # type: ignore[no-untyped-def]
    """A^T along one axis: six products to four pixels."""
    for c in range(len(o0)):
        even, odd = m1[c] + m2[c], m1[c] - m2[c]
        far_even, far_odd = m3[c] + m4[c], m3[c] - m4[c]
        o0[c] = m0[c] + even + far_even
        o1[c] = odd + TWO * far_odd
        o2[c] = even + FOUR * far_even
        o3[c] = odd + EIGHT * far_odd + m5[c]


@njit(**OPTIONS)
def _gradient_sums(y0, y1, y2, y3, o0, o1, o2, o3, o4, o5):  # type: ignore[no-untyped-def]
    """A along one axis: four pixels to six places, the transpose of `_output_sums`."""
    for c in range(len(o0)):
        even, odd = y0[c] + y2[c], y1[c] + y3[c]
        far_even, far_odd = y0[c] + FOUR * y2[c], TWO * (y1[c] + FOUR * y3[c])
        o0[c] = y0[c]
        o1[c] = even + odd
        o2[c] = even - odd
        o3[c] = far_even + far_odd
        o4[c] = far_even - far_odd
        o5[c] = y3[c]


@njit(**OPTIONS)
def room(line, channels, zero):  # type: ignore[no-untyped-def]
    """For the sums along one axis of the tiles of a row of pixels: (6, line + 2 channels) zeros."""
    return np.full((6, line + 2 * channels), zero)


@njit(**OPTIONS)
def _in_a_row(tile, count, columns):  # type: ignore[no-untyped-def]
    """A tile's row and column, and how many of so many tiles from it on are in that row."""
    row, column = tile // columns, tile % columns
    return row, column, min(columns - column, count)


@njit(**OPTIONS)
def gather(x, c, first, count, down, places):  # type: ignore[no-untyped-def]
    """B^T d B of some tiles, zeros around the images; down is `room`."""
    height, line = x.shape[1:]
    columns, rows = line // (4 * c), height // 4
    zeros = np.full(line, x.dtype.type(0))
    tile = 0
    while tile < count:
        row, left, some = _in_a_row(first + tile, count - tile, columns)
        image, top = x[row // rows], 4 * (row % rows) - 1
        start, stop = max(4 * left - 1, 0) * c, min(4 * (left + some) + 1, 4 * columns) * c
        begin = c if left == 0 else 0
        end = begin + stop - start
        down[:, :begin] = 0
        down[:, end : end + c] = 0
        above = image[top] if top >= 0 else zeros
        below = image[top + 5] if top + 5 < height else zeros
        _input_sums(
            above[start:stop], image[top + 1, start:stop], image[top + 2, start:stop], image[top + 3, start:stop],
            image[top + 4, start:stop], below[start:stop], down[0, begin:end], down[1, begin:end],
            down[2, begin:end], down[3, begin:end], down[4, begin:end], down[5, begin:end],
        )  # fmt: skip
        for i in range(6):
            p = places[6 * i : 6 * i + 6]
            for column in range(some):
                d, at = down[i, 4 * column * c :], slice((tile + column) * c, (tile + column + 1) * c)
                _input_sums(
                    d[:c], d[c : 2 * c], d[2 * c : 3 * c], d[3 * c : 4 * c], d[4 * c : 5 * c], d[5 * c : 6 * c],
                    p[0, at], p[1, at], p[2, at], p[3, at], p[4, at], p[5, at],
                )  # fmt: skip
        tile += some


@njit(**OPTIONS)
def scatter(places, c, first, count, up, y):  # type: ignore[no-untyped-def]
    """A^T m A of some tiles, to their pixels; up is `room`."""
    height, line = y.shape[1:]
    columns, rows = line // (4 * c), height // 4
    tile = 0
    while tile < count:
        row, left, some = _in_a_row(first + tile, count - tile, columns)
        image, top = y[row // rows], 4 * (row % rows)
        at, part = slice(tile * c, (tile + some) * c), some * c
        for j in range(6):
            _output_sums(
                places[j, at], places[6 + j, at], places[12 + j, at], places[18 + j, at], places[24 + j, at],
                places[30 + j, at],
                up[j, :part], up[j, part : 2 * part], up[j, 2 * part : 3 * part], up[j, 3 * part : 4 * part],
            )  # fmt: skip
        for i in range(4):
            pixels = image[top + i, 4 * left * c :]
            for column in range(some):
                m, x = up[:, i * part + column * c :], 4 * column * c
                _output_sums(
                    m[0, :c], m[1, :c], m[2, :c], m[3, :c], m[4, :c], m[5, :c], pixels[x : x + c],
                    pixels[x + c : x + 2 * c], pixels[x + 2 * c : x + 3 * c], pixels[x + 3 * c : x + 4 * c],
                )  # fmt: skip
        tile += some


@njit(**OPTIONS)
def gather_gradient(y, c, first, count, down, places):  # type: ignore[no-untyped-def]
    """A dy A^T of some tiles; down is `room`."""
    height, line = y.shape[1:]
    columns, rows = line // (4 * c), height // 4
    tile = 0
    while tile < count:
        row, left, some = _in_a_row(first + tile, count - tile, columns)
        image, top = y[row // rows], 4 * (row % rows)
        start, stop, part = 4 * left * c, 4 * (left + some) * c, 4 * some * c
        _gradient_sums(
            image[top, start:stop], image[top + 1, start:stop], image[top + 2, start:stop],
            image[top + 3, start:stop],
            down[0, :part], down[1, :part], down[2, :part], down[3, :part], down[4, :part], down[5, :part],
        )  # fmt: skip
        for i in range(6):
            p = places[6 * i : 6 * i + 6]
            for column in range(some):
                d, at = down[i, 4 * column * c :], slice((tile + column) * c, (tile + column + 1) * c)
                _gradient_sums(
                    d[:c], d[c : 2 * c], d[2 * c : 3 * c], d[3 * c : 4 * c],
                    p[0, at], p[1, at], p[2, at], p[3, at], p[4, at], p[5, at],
                )  # fmt: skip
        tile += some
