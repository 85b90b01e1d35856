"""The products with Winograd's matrices along one axis (`matrices.py`), as sums with few operations.

Rows of points of opposite sign share what is even and what is odd in them. Each takes as many arrays as its matrix has
columns, and then as many to fill as it has rows.
"""

import numpy as np
from numba import njit

from services.generator.stylegan2.compiled import OPTIONS
from services.generator.stylegan2.gate import PANEL

TWO, FOUR, SIX, EIGHT = np.float32(2), np.float32(4), np.float32(6), np.float32(8)  # of a type that widens nothing


@njit(**OPTIONS)
def input_sums(d0, d1, d2, d3, d4, d5, o0, o1, o2, o3, o4, o5):  # type: ignore[no-untyped-def]
    """B^T: six neighbours to six places."""
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
def output_sums(m0, m1, m2, m3, m4, m5, o0, o1, o2, o3):  # type: ignore[no-untyped-def]
    """A^T: six products to four pixels."""
    for c in range(len(o0)):
        even, odd = m1[c] + m2[c], m1[c] - m2[c]
        far_even, far_odd = m3[c] + m4[c], m3[c] - m4[c]
        o0[c] = m0[c] + even + far_even
        o1[c] = odd + TWO * far_odd
        o2[c] = even + FOUR * far_even
        o3[c] = odd + EIGHT * far_odd + m5[c]


@njit(**OPTIONS)
def output_gradient_sums(y0, y1, y2, y3, o0, o1, o2, o3, o4, o5):  # type: ignore[no-untyped-def]
    """A: four pixels to six places."""
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
def kernel_sums(g0, g1, g2, o0, o1, o2, o3, o4, o5):  # type: ignore[no-untyped-def]
    """G: three taps to six places, of the output channels of a panel."""
    for k in range(PANEL):
        near, odd = (g0[k] + g2[k]) / SIX, g1[k] / SIX
        far = (g0[k] / FOUR + g2[k]) / SIX
        o0[k] = g0[k] / FOUR
        o1[k] = -near - odd
        o2[k] = odd - near
        o3[k] = far + odd / TWO
        o4[k] = far - odd / TWO
        o5[k] = g2[k]


@njit(**OPTIONS)
def kernel_gradient_sums(m0, m1, m2, m3, m4, m5, o0, o1, o2):  # type: ignore[no-untyped-def]
    """G^T: six places to three taps."""
    for k in range(len(o0)):
        near, far = (m1[k] + m2[k]) / SIX, (m3[k] + m4[k]) / SIX
        o0[k] = (m0[k] + far) / FOUR - near
        o1[k] = (m2[k] - m1[k]) / SIX + (m3[k] - m4[k]) / SIX / TWO
        o2[k] = far - near + m5[k]
