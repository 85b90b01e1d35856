"""Finds which photographs show the same part, so that they stay on one side of a split.

What two photographs of one part share, whatever the exposure, is their fine local structure. So each image is reduced
to it (`defectory.imaging.structure`), what all images of the set have in common is taken out (mean and
leading principal components: the outline, the fixture, the light), and the rest is registered: the best normalised
correlation over small shifts. Average linkage then joins what correlates more than different parts do, as read off the
bulk of pairs.

The work grows with the square of the number of images: one matrix product for every shift.
"""

import numpy as np

from defectory.imaging.structure import FineStructure

FINE = FineStructure(near_px=0.8, far_px=4.0, border_px=3)
FOUND = "found-"  # begins the name of a group that was found here; a number follows
MAX_SHIFT = FINE.size_px // 12  # px
COMMON = 30  # principal components taken out, at most …
IMAGES_A_COMPONENT = 40  # … and one for so many images: fewer images have less in common that can be told from a part
SPREADS = 3.8  # a pair counts as the same part so many robust standard deviations above the bulk of pairs …
FLOOR = 0.25  # … and never below this correlation
LARGEST = (
    0.05  # a group with a larger share of the images is no part but a mistake: the bar is raised until none is left
)
STEP = 0.05


def find_groups(descriptions: np.ndarray) -> np.ndarray:
    """Group of every image.

    Args:
        descriptions: (N, side, side) of `FINE.describe`.

    Returns:
        int (N,), numbered from 0 in the order of their first image. The same input always gives the same groups.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    count = len(descriptions)
    if count < 2:
        return np.zeros(count, dtype=int)
    correlation = correlate(without_common(descriptions))
    bar = _bar(correlation)
    distance = np.clip(1 - correlation, 0, None)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    groups = fcluster(tree, 1 - bar, "distance")
    while bar < 1 - STEP and np.bincount(groups).max() > max(2, LARGEST * count):
        bar += STEP
        groups = fcluster(tree, 1 - bar, "distance")
    _, first, groups = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[groups])


def without_common(descriptions: np.ndarray) -> np.ndarray:
    """The descriptions without their mean and leading principal components."""
    count, side, _ = descriptions.shape
    rows = descriptions.reshape(count, -1)
    rows = rows - rows.mean(axis=0)
    components = min(COMMON, count // IMAGES_A_COMPONENT)
    if components:
        # Through the smaller Gram matrix: the same components as of a singular value decomposition.
        _, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
        leading = vectors[:, -components:].astype(np.float32)
        rows = rows - leading @ (leading.T @ rows)
    residues: np.ndarray = rows.reshape(count, side, side)
    return residues


def correlate(images: np.ndarray) -> np.ndarray:
    """Best normalised correlation of every pair over shifts of at most MAX_SHIFT pixels: float32 (N, N), symmetric."""
    count, side, _ = images.shape
    best = np.full((count, count), -1, np.float32)
    for dy in range(MAX_SHIFT + 1):
        for dx in range(-MAX_SHIFT, MAX_SHIFT + 1):
            left = _unit(images[:, dy:, max(0, dx) : side + min(0, dx)])
            right = _unit(images[:, : side - dy, max(0, -dx) : side + min(0, -dx)])
            one = left @ right.T
            np.maximum(best, one, out=best)
            np.maximum(best, one.T, out=best)
    return best


def _unit(images: np.ndarray) -> np.ndarray:
    rows = images.reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6))


def _bar(correlation: np.ndarray) -> float:
    """The correlation from which a pair shows one part: nearly all pairs show two, so the bulk tells how alike."""
    pairs = correlation[np.triu_indices(len(correlation), 1)]
    middle = float(np.median(pairs))
    spread = 1.4826 * float(np.median(np.abs(pairs - middle)))
    return min(1 - STEP, max(FLOOR, middle + SPREADS * spread))
