"""Winograd's matrices compute a convolution, and the loops' sums are the products with them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from services.generator.stylegan2 import kernels, matrices, sums
from services.generator.stylegan2.gate import PANEL

B_T, G, A_T = (np.array(matrix, dtype=np.float64) for matrix in (matrices.B_T, matrices.G, matrices.A_T))


def exact(matrix: Sequence[Sequence[float]]) -> np.ndarray:
    """As fractions, none of whose denominators is above 24."""
    return np.array([[Fraction(x).limit_denominator(24) for x in row] for row in matrix])


def test_an_output_tile_is_the_correlation_of_kernel_and_input_tile_exactly() -> None:
    b_t, g, a_t = (exact(matrix) for matrix in (matrices.B_T, matrices.G, matrices.A_T))
    rng = np.random.default_rng(0)
    tile = rng.integers(-9, 10, (matrices.POINTS, matrices.POINTS)).astype(object)
    kernel = rng.integers(-9, 10, (matrices.TAPS, matrices.TAPS)).astype(object)
    output_tile = a_t @ ((g @ kernel @ g.T) * (b_t @ tile @ b_t.T)) @ a_t.T
    expected = [[(tile[i : i + 3, j : j + 3] * kernel).sum() for j in range(4)] for i in range(4)]
    assert output_tile.tolist() == expected


def test_the_sizes_are_those_of_the_paper() -> None:
    sizes = matrices.TILE, matrices.POINTS, matrices.TAPS, matrices.PLACES, matrices.PIXELS
    assert sizes == (4, 6, 3, 36, 16)


@pytest.mark.parametrize(
    ("function", "matrix"),
    [
        (sums.input_sums, B_T),
        (sums.output_sums, A_T),
        (sums.output_gradient_sums, A_T.T),
        (sums.kernel_sums, G),
        (sums.kernel_gradient_sums, G.T),
    ],
    ids=["B^T", "A^T", "A", "G", "G^T"],
)
def test_sums_with_few_operations_are_the_product_with_the_matrix(function: Any, matrix: np.ndarray) -> None:
    rows, columns = matrix.shape
    given = np.random.default_rng(0).standard_normal((columns, PANEL))
    product = function(list(given))
    assert len(product) == rows
    np.testing.assert_allclose(np.stack(product), matrix @ given, rtol=0, atol=1e-13)


def test_a_kernel_stands_in_panels_at_each_of_its_places() -> None:
    weight = torch.randn(64, 32, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = np.einsum("pr,oirs,qs->pqoi", G, weight.numpy(), G)
    for p, part in enumerate(kernels.transformed(weight)):
        for q in range(matrices.POINTS):
            panels = part[q].numpy()  # (O / 32, I, 32)
            np.testing.assert_allclose(panels.transpose(0, 2, 1).reshape(64, 32), expected[p, q], rtol=0, atol=1e-13)
