"""The most similar image of a gallery for every image, whatever flip, small shift, exposure and compression.

Candidates come from the sketches, one matrix product for all flips and shifts; each is then registered. Every core does
both for some of the images: most of the products are too small to be shared among cores.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from defectory.machine import cores
from services.filter.registration import correlate
from services.filter.structure import Gallery

CANDIDATES = 4
SECTIONS = 32  # of the gallery, each of which gives its best sketch; the best of these are the candidates
ROWS, COLUMNS = 256, 8192  # of one matrix product, which bounds the memory
PAIRS = 32  # images registered at once


def nearest(
    queries: Gallery, gallery: Gallery, *, forbidden: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The most similar image of the gallery for every query.

    Args:
        forbidden: int (queries, 2), the half-open range of gallery rows that each query may not be compared with.

    Returns:
        (indices int (N,), -1 where there is none; similarities float32 (N,) in [-1, 1], -1 where there is none).
    """
    best = np.full(len(queries), -1)
    similarity = np.full(len(queries), -1, np.float32)
    if not len(queries) or not len(gallery):
        return best, similarity

    def block(start: int) -> None:
        rows = np.arange(start, min(start + ROWS, len(queries)))
        candidates, possible = _candidates(queries, gallery, rows, forbidden)
        for part in range(0, len(rows), PAIRS):
            chosen = slice(part, part + PAIRS)
            values = correlate(queries.whitened[rows[chosen]], gallery.whitened[candidates[chosen]])
            values[~possible[chosen]] = -1
            top = values.argmax(axis=1)
            pair = np.arange(len(top))
            similarity[rows[chosen]] = values[pair, top]
            best[rows[chosen]] = np.where(possible[chosen][pair, top], candidates[chosen][pair, top], -1)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as pool:
        list(pool.map(block, range(0, len(queries), ROWS)))
    return best, similarity


def _candidates(
    queries: Gallery, gallery: Gallery, rows: np.ndarray, forbidden: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(gallery rows (rows, CANDIDATES), which of them are allowed) with the most similar sketches."""
    section = max(1, min(COLUMNS, -(-len(gallery) // SECTIONS)))
    width = COLUMNS // section * section
    winners, scores = [], []
    for left in range(0, len(gallery), width):
        right = min(left + width, len(gallery))
        if forbidden is not None and (forbidden[rows, 0] <= left).all() and (forbidden[rows, 1] >= right).all():
            continue
        sections = -(-(right - left) // section)
        product = np.full((len(rows), sections * section), -np.inf, np.float32)
        np.matmul(queries.sketches[rows], gallery.sketches[left:right].T, out=product[:, : right - left])
        if forbidden is not None and (forbidden[rows, 0] < right).any():
            columns = np.arange(left, left + product.shape[1])
            low, high = forbidden[rows].T[..., None]
            product[(columns >= low) & (columns < high)] = -np.inf
        blocks = product.reshape(len(rows), sections, section)
        top = blocks.argmax(axis=2)
        winners.append(left + np.arange(sections) * section + top)
        scores.append(np.take_along_axis(blocks, top[..., None], axis=2)[..., 0])
    if not winners:
        return np.zeros((len(rows), 1), int), np.zeros((len(rows), 1), bool)
    everywhere, values = np.concatenate(winners, axis=1), np.concatenate(scores, axis=1)
    kept = min(CANDIDATES, values.shape[1])
    order = np.argpartition(-values, kept - 1, axis=1)[:, :kept]
    candidates, value = np.take_along_axis(everywhere, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.minimum(candidates, len(gallery) - 1), np.isfinite(value)
