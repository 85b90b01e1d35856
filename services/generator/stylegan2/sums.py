"""The products with Winograd's matrices (`matrices.py`), as sums with few operations.

Rows of points of opposite sign share what is even and what is odd in them. Each takes as many values as its matrix has
columns, and returns as many as it has rows; a value is whatever can be added, and multiplied by a number.
"""

from collections.abc import Sequence
from typing import Any


def input_sums(d: Sequence[Any]) -> Sequence[Any]:
    """B^T: six neighbours to six places."""
    odd, even = d[3] - d[1], d[4] - d[2]
    far_odd, far_even = d[3] - d[1] * 4.0, d[4] - d[2] * 4.0
    twice = odd * 2.0
    return (
        (d[0] - d[2]) * 4.0 + even, far_even + far_odd, far_even - far_odd, even + twice, even - twice,
        d[5] - d[3] - odd * 4.0,
    )  # fmt: skip


def output_sums(m: Sequence[Any]) -> Sequence[Any]:
    """A^T: six products to four pixels."""
    even, odd = m[1] + m[2], m[1] - m[2]
    far_even, far_odd = m[3] + m[4], m[3] - m[4]
    return m[0] + even + far_even, odd + far_odd * 2.0, even + far_even * 4.0, odd + far_odd * 8.0 + m[5]


def output_gradient_sums(y: Sequence[Any]) -> Sequence[Any]:
    """A: four pixels to six places."""
    even, odd = y[0] + y[2], y[1] + y[3]
    far_even, far_odd = y[0] + y[2] * 4.0, (y[1] + y[3] * 4.0) * 2.0
    return y[0], even + odd, even - odd, far_even + far_odd, far_even - far_odd, y[3]


def kernel_sums(g: Sequence[Any]) -> Sequence[Any]:
    """G: three taps to six places."""
    near, odd = (g[0] + g[2]) * (1 / 6), g[1] * (1 / 6)
    far, half = g[0] * (1 / 24) + g[2] * (1 / 6), g[1] * (1 / 12)
    return g[0] * 0.25, (near + odd) * -1.0, odd - near, far + half, far - half, g[2]


def kernel_gradient_sums(m: Sequence[Any]) -> Sequence[Any]:
    """G^T: six places to three taps."""
    near, far = (m[1] + m[2]) * (1 / 6), (m[3] + m[4]) * (1 / 6)
    return (
        (m[0] + far) * 0.25 - near,
        (m[2] - m[1]) * (1 / 6) + (m[3] - m[4]) * (1 / 12),
        far - near + m[5],
    )  # fmt: skip
