"""Fréchet distance of two sets of features; refused where it would say more about their size than about the images.

References:
    [1] Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium"
        (arXiv:1706.08500), section 4; the authors' code asks for at least 10,000 images.
    [2] Bińkowski et al. 2018, "Demystifying MMD GANs" (arXiv:1801.01401), section 4 and appendix D: no estimate of it
        without bias exists, and the bias depends on the generator, so that even the order of two models can turn.
    [3] Karras et al. 2020 (arXiv:2006.06676), section 4.2: with few images the bias dominates, KID says more.
"""

import numpy as np

from defectory.errors import FailedPrecondition

MIN_IMAGES = 10_000  # of either kind [1]


def fid(real: np.ndarray, fake: np.ndarray) -> float:
    """Distance of the normal distributions of (N, F) and (M, F): |m - n|² + tr(A + B - 2 (A B)^½).

    Raises:
        FailedPrecondition: fewer than `MIN_IMAGES` of either kind.
    """
    for kind, features in (("held-out", real), ("synthetic", fake)):
        check_count(len(features), kind)
    x, y = real.astype(np.float64), fake.astype(np.float64)
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = _root(a)
    # The eigenvalues of A B are those of A^½ B A^½, which is symmetric and needs no complex numbers.
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b @ root), 0, None)).sum()
    return float(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * cross)


def check_count(count: int, kind: str) -> None:
    """See that there are enough images of a kind.

    Raises:
        FailedPrecondition: there are not; says why, and what to use.
    """
    if count < MIN_IMAGES:
        raise FailedPrecondition(
            f"FID on {count} {kind} images: it wants at least {MIN_IMAGES} of both kinds (Heusel et al. 2017); with "
            "fewer its bias exceeds what sets models apart (Bińkowski et al. 2018). KID has no bias: use that"
        )


def _root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root: np.ndarray = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return root
