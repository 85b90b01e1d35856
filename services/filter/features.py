"""Distances in the judge's features: cosine distance between embeddings, exact, in blocks that bound the memory.

Nearest neighbours are one matrix product with a running minimum. Near-duplicates among many images, or of other labels,
would be another; there a bound spares nearly all of it. Split unit vectors x into their part Px in a few leading
directions and the length r of the rest: by Cauchy and Schwarz, x . y <= Px . Py + r_x r_y, which is itself a product
of two short unit vectors (Px, r_x). Pairs whose bound lies below the threshold are no duplicates; the others are looked
at exactly. So no duplicate is missed (up to ROUNDING), whatever the data; only how many pairs are spared depends on it.
"""

import numpy as np

ROWS, COLUMNS = 2048, 4096  # of one matrix product
LEADING = 63  # directions kept; with the rest's length 64 numbers an image
FEW = 4096  # images of which all with all is less work than to find the leading directions
SAMPLE = 8192  # images from which the leading directions are found
ROUNDING = 1e-4  # float32 sums; a pair is looked at exactly from so far below the threshold on
PAIRS = 1 << 14  # looked at exactly at once


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows (N, channels) as float32 vectors of length 1 (rows of zeros stay); in place where they are float32."""
    rows = np.asarray(rows, np.float32)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        part /= np.linalg.norm(part, axis=1, keepdims=True) + np.float32(1e-12)
    return rows


def nearest_distance(
    queries: np.ndarray,
    gallery: np.ndarray,
    *,
    query_groups: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest row of the gallery for every query.

    Args:
        queries, gallery: float32 (N, channels), (M, channels) unit vectors.
        query_groups, groups: int (N,), (M,); rows of a query's own group do not count.

    Returns:
        (rows int (N,), -1 where there is none; cosine distances float32 (N,) in [0, 2], infinite where there is none).
    """
    nearest = np.full(len(queries), -1)
    closest = np.full(len(queries), -np.inf, np.float32)
    for start in range(0, len(queries), ROWS):
        rows = slice(start, min(start + ROWS, len(queries)))
        for left in range(0, len(gallery), COLUMNS):
            columns = slice(left, left + COLUMNS)
            cosine = queries[rows] @ gallery[columns].T
            if query_groups is not None and groups is not None:
                cosine[query_groups[rows, None] == groups[None, columns]] = -np.inf
            top = cosine.argmax(axis=1)
            value = cosine[np.arange(len(top)), top]
            better = value > closest[rows]
            nearest[rows] = np.where(better, left + top, nearest[rows])
            closest[rows] = np.maximum(closest[rows], value)
    return nearest, np.maximum(1 - closest, 0)


def earlier_twins(rows: np.ndarray, radius: float) -> np.ndarray:
    """For every row the earliest one before it within a cosine distance, -1 where there is none.

    Args:
        rows: float32 (N, channels) unit vectors. radius: cosine distance; 0 or less finds nothing.
    """
    twin = np.full(len(rows), -1)
    if len(rows) < 2 or radius <= 0:
        return twin
    short = rows if len(rows) <= FEW else _shortened(rows, _leading(rows))
    threshold = np.float32(1 - radius)
    # Blocks in the order of their columns: once a row has a twin, later ones are later still.
    for left in range(0, len(rows), COLUMNS):
        columns = short[left : left + COLUMNS].T
        for start in range(left // ROWS * ROWS, len(rows), ROWS):
            bound = short[start : start + ROWS] @ columns
            hopeful = np.flatnonzero((bound.max(axis=1) >= threshold - ROUNDING) & (twin[start : start + ROWS] < 0))
            if not len(hopeful):
                continue
            line, column = np.nonzero(bound[hopeful] >= threshold - ROUNDING)
            line, column = start + hopeful[line], left + column
            before = column < line
            _settle(rows, twin, line[before], column[before], threshold)
    return twin


def any_within(queries: np.ndarray, gallery: np.ndarray, radius: float) -> np.ndarray:
    """Whether a row of the gallery lies within a cosine distance: bool (N,), for every query.

    Args:
        queries, gallery: float32 (N, channels), (M, channels) unit vectors. radius: 0 or less finds nothing.
    """
    within = np.zeros(len(queries), bool)
    if not len(queries) or not len(gallery) or radius <= 0:
        return within
    if len(queries) * len(gallery) <= FEW**2:
        return np.asarray(nearest_distance(queries, gallery)[1] < radius)
    leading = _leading(gallery)
    short, threshold = _shortened(gallery, leading), np.float32(1 - radius)
    for start in range(0, len(queries), ROWS):
        own = _shortened(queries[start : start + ROWS], leading)
        for left in range(0, len(gallery), COLUMNS):
            line, column = np.nonzero(own @ short[left : left + COLUMNS].T >= threshold - ROUNDING)
            for pair in range(0, len(line), PAIRS):
                one, other = start + line[pair : pair + PAIRS], left + column[pair : pair + PAIRS]
                within[one[np.einsum("nc,nc->n", queries[one], gallery[other]) > threshold]] = True
    return within


def _settle(rows: np.ndarray, twin: np.ndarray, line: np.ndarray, column: np.ndarray, threshold: np.float32) -> None:
    """Look at pairs exactly; the earliest within the threshold becomes a row's twin."""
    for start in range(0, len(line), PAIRS):
        first, second = line[start : start + PAIRS], column[start : start + PAIRS]
        close = np.einsum("nc,nc->n", rows[first], rows[second]) >= threshold
        for one, other in zip(first[close], second[close], strict=True):
            if twin[one] < 0 or other < twin[one]:
                twin[one] = other


def _leading(rows: np.ndarray) -> np.ndarray:
    """Directions (channels, at most LEADING) in which the rows are largest."""
    sample = rows[:: max(1, len(rows) // SAMPLE)]
    kept = min(LEADING, rows.shape[1] - 1)
    _, directions = np.linalg.eigh(sample.T @ sample)
    return np.ascontiguousarray(directions[:, rows.shape[1] - kept :])


def _shortened(rows: np.ndarray, leading: np.ndarray) -> np.ndarray:
    """(Px, r) of every row: float32 (N, directions + 1), unit vectors too."""
    kept = leading.shape[1]
    short = np.empty((len(rows), kept + 1), np.float32)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        inside = part @ leading
        short[start : start + ROWS, :kept] = inside
        left = np.einsum("nc,nc->n", part, part) - np.einsum("nc,nc->n", inside, inside)
        short[start : start + ROWS, kept] = np.sqrt(np.maximum(left, 0))
    return short
