"""Intervals of what is measured on test images, when the parts that they show are drawn anew."""

from collections.abc import Callable, Sequence

import numpy as np

from orchestrator.pipeline.summary import Estimate
from orchestrator.report.comparison import RESAMPLES


def over_parts(parts: Sequence[str], measure: Callable[[np.ndarray], np.ndarray], seed: int = 0) -> list[Estimate]:
    """Every figure of `measure` on all images, with its 95% interval by the percentiles of a bootstrap.

    Args:
        parts: the part that each image shows; photographs of one part are not independent, and are drawn together.
        measure: places of images (N,), possibly repeated -> figures (k,).
    """
    _, part = np.unique(list(parts), return_inverse=True)
    members = [np.flatnonzero(part == number) for number in range(int(part.max()) + 1)]
    drawn = np.random.default_rng(seed).integers(0, len(members), (RESAMPLES, len(members)))
    spread = np.stack([measure(np.concatenate([members[number] for number in row])) for row in drawn])
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    all_ = measure(np.arange(len(part)))
    return [Estimate(float(m), float(a), float(b)) for m, a, b in zip(all_, low, high, strict=True)]
