"""Pictures that look alike to the judge: nearest by cosine in its features, exact."""

from collections.abc import Sequence

import numpy as np

from orchestrator.review.features import Features


def nearest(features: Features, shas: Sequence[str], to: str, count: int) -> list[tuple[int, float]]:
    """(index of `shas`, cosine distance in [0, 2]) of the pictures most like another one, the nearest first.

    Args:
        to: sha256 of the picture. It is its own nearest where it is among `shas`; nothing is near one without features.
    """
    if to not in features:
        return []
    own = features.take(features.rows([to]))[0]
    distances = np.full(len(shas), np.inf, np.float32)
    rows = features.rows(shas)
    known = np.flatnonzero(rows >= 0)
    for place, block in features.blocks(rows[known]):
        distances[known[place]] = 1 - block @ own
    order = np.argsort(distances, kind="stable")[:count]
    return [(int(at), max(float(distances[at]), 0.0)) for at in order if np.isfinite(distances[at])]
