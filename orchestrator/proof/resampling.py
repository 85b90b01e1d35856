"""What else could have been drawn: folds, seeds and test parts, all at once, the same draws for every arm.

A score is one number for many ways of weighting the same outcomes; the weights of a replicate are how often each fold,
seed and group was drawn (the bootstrap in stages, Davison & Hinkley 1997, "Bootstrap Methods and their Application",
section 3.8). Folds carry the chance of what was trained on, seeds that of the training, groups that of the test.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.proof.outcomes import FoldOutcome

REPLICATES = 4000


@dataclass(frozen=True)
class FoldWeights:
    """How often a fold, its seeds and its groups were drawn, in each of B replicates.

    Shapes:
        fold: (B,); seeds: (B, S); groups: (B, G)
    """

    fold: np.ndarray
    seeds: np.ndarray
    groups: np.ndarray


def as_observed(folds: Sequence[FoldOutcome]) -> list[FoldWeights]:
    """The one replicate in which everything comes once."""
    return [FoldWeights(np.ones(1), np.ones((1, fold.seeds)), np.ones((1, fold.groups))) for fold in folds]


def drawn(folds: Sequence[FoldOutcome], seed: int, replicates: int = REPLICATES) -> list[FoldWeights]:
    """Replicates with folds, seeds within a fold, and groups within a fold drawn with replacement.

    A single fold, or a single seed, has nothing to be drawn from: its chance is not in the interval, which whoever
    reports it has to say.
    """
    rng = np.random.default_rng(seed)
    count = len(folds)
    fold_weights = _counts(rng, count, replicates)
    return [
        FoldWeights(
            fold_weights[:, number], _counts(rng, fold.seeds, replicates), _counts(rng, fold.groups, replicates)
        )
        for number, fold in enumerate(folds)
    ]


def _counts(rng: np.random.Generator, count: int, replicates: int) -> np.ndarray:
    """(B, count): how often each of so many was drawn, in so many draws."""
    return rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(float)
