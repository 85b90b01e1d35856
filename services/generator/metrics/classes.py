"""Classes of real and synthetic images: how often each is to be made, and how varied it is by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.generator.metrics.neighbours import diversity

MIN_OF_CLASS = 5  # images of either kind: the mean distance between fewer says too little


@dataclass(frozen=True)
class Classes:
    """The classes of a network and, of each real image, the index of its own; nothing of a network of one label."""

    names: Sequence[str] = ()
    train: Sequence[int] = ()
    held_out: Sequence[int] = ()


def drawn_as_among(real: Sequence[int], seeds: Sequence[int]) -> list[int] | None:
    """Classes for seeds, as often as they come among real images: as many seeds in a row as there are images have each.

    Pictures of other frequencies would be another distribution, however good each of them is.

    Returns:
        a class for each seed, which depends on it and on the real images only; None where these have no classes.
    """
    if not len(real):
        return None
    order = np.random.default_rng(0).permutation(len(real))
    return [int(real[order[seed % len(real)]]) for seed in seeds]


def class_diversities(
    synthetic: np.ndarray, synthetic_classes: Sequence[int], real: np.ndarray, real_classes: Sequence[int]
) -> dict[int, float]:
    """`diversity` of every class by itself that has enough images: one that has collapsed hides behind the others.

    Shapes:
        synthetic: (M, F) features, synthetic_classes: M; real: (N, F), real_classes: N
    """
    ours, theirs = np.asarray(synthetic_classes), np.asarray(real_classes)
    diversities = {}
    for index in np.unique(theirs).tolist():
        fake, true = synthetic[ours == index], real[theirs == index]
        if min(len(fake), len(true)) >= MIN_OF_CLASS:
            diversities[index] = diversity(fake, true)
    return diversities
