"""Winograd's minimal filtering F(4x4, 3x3): its matrices, and every size that follows from them.

Reference: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (arXiv:1509.09308), section 4.3. The
points of interpolation are 0, 1, -1, 2, -2 and infinity. An output tile is A^T [(G g G^T) * (B^T d B)] A, of a kernel g
and the input tile d that it depends on.

No loop multiplies by them: `sums.py` has each as sums with few operations.
"""

from collections.abc import Sequence

from torch import Tensor

B_T = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
A_T = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)

TILE = len(A_T)  # side of an output tile
POINTS = len(B_T)  # side of the input tile that it depends on
TAPS = len(G[0])  # side of a kernel
PLACES = POINTS**2  # products of an output tile, where a direct sum has TILE**2 * TAPS**2
PIXELS = TILE**2  # of an output tile

Places = Sequence[Tensor]  # a kernel at all places: POINTS tensors, of POINTS places each
