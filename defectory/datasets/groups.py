"""Finds which photographs show the same part, so that they stay on one side of a split.

What two photographs of one part share, whatever the exposure, is their fine local structure. So each image is reduced
to it (`defectory.imaging.structure`), what all images of the set have in common is taken out (mean and
leading principal components: the outline, the fixture, the light), and the rest is registered: the best normalised
correlation over small shifts. Average linkage then joins what correlates more than different parts do, as read off the
bulk of pairs. Two clusters whose pairs correlate so on average have a pair that does, so each chain of such pairs is
linked by itself.

The work grows with the square of the number of images: one matrix product for every shift. The memory does not: pairs
are looked at in blocks, and only those are kept that may show one part.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from defectory.imaging.structure import FineStructure

FINE = FineStructure(near_px=0.8, far_px=4.0, border_px=3)
MAX_SHIFT = FINE.size_px // 12  # px
COMMON = 30  # principal components taken out, at most …
IMAGES_A_COMPONENT = 40  # … and one for so many images: fewer images have less in common that can be told from a part
SPREADS = 3.8  # a pair counts as the same part so many robust standard deviations above the bulk of pairs …
FLOOR = 0.25  # … and never below this correlation
LARGEST = (
    0.05  # a group with a larger share of the images is no part but a mistake: the bar is raised until none is left
)
STEP = 0.05
FEW = 2048  # images of which all pairs are the bulk …
SAMPLE = 1024  # … and of more, the pairs of so many, evenly spread
BLOCK = 2048  # images whose pairs with as many others are looked at together
CACHED = 64  # images brought to length 1 at once, which a core's cache holds

Block = tuple[slice, slice, np.ndarray]  # rows, columns, and how well these images correlate with those


def find_groups(descriptions: np.ndarray) -> np.ndarray:
    """Group of every image.

    Args:
        descriptions: (N, side, side) of `FINE.describe`.

    Returns:
        int (N,), numbered from 0 in the order of their first image. The same input always gives the same groups.
    """
    count = len(descriptions)
    if count < 2:
        return np.zeros(count, dtype=int)
    residues = without_common(descriptions)
    few = count <= FEW
    sample = correlate(residues[np.linspace(0, count - 1, count if few else SAMPLE).round().astype(int)])
    bar = _bar(sample)
    chains = _chains([(slice(0, count), slice(0, count), sample)] if few else _blocks(residues), count, bar)
    trees = [(chain, _tree(sample[np.ix_(chain, chain)] if few else correlate(residues[chain]))) for chain in chains]
    groups = _cut(trees, count, bar)
    while bar < 1 - STEP and np.bincount(groups).max() > max(2, LARGEST * count):
        bar += STEP
        groups = _cut(trees, count, bar)
    _, first, groups = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[groups])


def without_common(descriptions: np.ndarray) -> np.ndarray:
    """The descriptions without their mean and leading principal components."""
    from scipy.linalg import eigh

    count, side, _ = descriptions.shape
    rows = descriptions.reshape(count, -1)
    rows = rows - rows.mean(axis=0)
    components = min(COMMON, count // IMAGES_A_COMPONENT)
    if components:
        # Of the smaller Gram matrix: the same components as of a singular value decomposition.
        by_image = count < rows.shape[1]
        gram = rows @ rows.T if by_image else rows.T @ rows
        _, vectors = eigh(gram.astype(np.float64), subset_by_index=(len(gram) - components, len(gram) - 1))
        leading = vectors.astype(np.float32)
        shares, common = (leading, leading.T @ rows) if by_image else (rows @ leading, leading.T)
        for start in range(0, count, BLOCK):  # the descriptions are most of the memory: none is there thrice
            rows[start : start + BLOCK] -= shares[start : start + BLOCK] @ common
    residues: np.ndarray = rows.reshape(count, side, side)
    return residues


def correlate(images: np.ndarray) -> np.ndarray:
    """Best normalised correlation of every pair over shifts of at most MAX_SHIFT pixels: float32 (N, N), symmetric."""
    best = np.empty((len(images), len(images)), np.float32)
    for rows, columns, values in _blocks(images):
        best[rows, columns], best[columns, rows] = values, values.T
    return best


def _blocks(images: np.ndarray) -> Iterator[Block]:
    """(rows, columns, best correlations) of all pairs, each once: blocks on and above the diagonal."""
    for top in range(0, len(images), BLOCK):
        rows = slice(top, min(top + BLOCK, len(images)))
        for left in range(top, len(images), BLOCK):
            columns = slice(left, min(left + BLOCK, len(images)))
            yield rows, columns, _best(images[rows], images[columns], same=left == top)


def _best(images: np.ndarray, others: np.ndarray, *, same: bool) -> np.ndarray:
    """Best correlations (N, M) of images with others; of the same ones, one order of a pair says it for both."""
    side = images.shape[1]
    best = np.full((len(images), len(others)), -1, np.float32)
    product = np.empty_like(best)
    for dy in range(0 if same else -MAX_SHIFT, MAX_SHIFT + 1):
        for dx in range(-MAX_SHIFT, MAX_SHIFT + 1):
            left = _unit(images[:, max(0, dy) : side + min(0, dy), max(0, dx) : side + min(0, dx)])
            right = _unit(others[:, max(0, -dy) : side + min(0, -dy), max(0, -dx) : side + min(0, -dx)])
            np.maximum(best, np.matmul(left, right.T, out=product), out=best)
    return np.maximum(best, best.T) if same else best


def _unit(images: np.ndarray) -> np.ndarray:
    """Rows (N, pixels) of mean 0 and length 1."""
    rows = np.empty((len(images), images[0].size), np.float32)
    for start in range(0, len(images), CACHED):
        part = rows[start : start + CACHED]
        part.reshape(-1, *images.shape[1:])[:] = images[start : start + CACHED]
        part -= part.mean(axis=1, keepdims=True)
        part /= np.sqrt(np.einsum("np,np->n", part, part))[:, None] + 1e-6
    return rows


def _chains(blocks: Iterable[Block], count: int, bar: float) -> list[np.ndarray]:
    """Which images a chain of pairs above the bar joins; one that is like no other is in none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends: list[tuple[np.ndarray, np.ndarray]] = []
    for rows, columns, values in blocks:
        one, other = np.nonzero(values >= bar)
        apart = rows.start + one != columns.start + other
        ends.append((rows.start + one[apart], columns.start + other[apart]))
    one, other = (np.concatenate(end) for end in zip(*ends, strict=True))
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    _, chain = connected_components(graph, directed=False)
    order = np.argsort(chain, kind="stable")
    chains = np.split(order, np.flatnonzero(np.diff(chain[order])) + 1)
    return [members for members in chains if len(members) > 1]


def _tree(correlation: np.ndarray) -> np.ndarray:
    """How average linkage joins images that correlate so, (N, N), as SciPy has it."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    distance = np.clip(1 - correlation, 0, None)
    np.fill_diagonal(distance, 0)
    return np.asarray(linkage(squareform(distance, checks=False), "average"))


def _cut(trees: list[tuple[np.ndarray, np.ndarray]], count: int, bar: float) -> np.ndarray:
    """A number for every image: the same for those that are joined at the bar."""
    from scipy.cluster.hierarchy import fcluster

    groups = np.arange(count)
    for members, tree in trees:
        part = fcluster(tree, 1 - bar, "distance")
        groups[members] = members[np.unique(part, return_index=True)[1]][part - 1]
    return groups


def _bar(correlation: np.ndarray) -> float:
    """The correlation from which a pair shows one part: nearly all pairs show two, so the bulk tells how alike."""
    pairs = correlation[np.triu_indices(len(correlation), 1)]
    middle = float(np.median(pairs))
    spread = 1.4826 * float(np.median(np.abs(pairs - middle)))
    return min(1 - STEP, max(FLOOR, middle + SPREADS * spread))
