"""Do the heatmaps come from what the network has learned? Cascading randomisation of its weights.

Adebayo et al. 2018 (arXiv:1810.03292), section 3. Weights are replaced by random ones from the head downwards. Heat
that stays the same is an edge detector's, not an explanation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import keras
import numpy as np

from services.classifier.architecture import Architecture
from services.classifier.model import TOP_FROM, Network, build
from services.explainer.cam import Cam

CELLS = 9  # of a heatmap from which ranks say something
ALIKE = 0.5  # mean rank correlation with the trained network's heat above which the check is failed
# What is random in each stage: everything from this layer of the base on, and the head.
STAGES = {"head": None, "head to block 13": TOP_FROM, "head to block 6": "block_6_expand", "everything": ""}


def randomisation_check(
    architecture: Architecture, network: Network, cam: Cam, pixels: np.ndarray, seed: int = 0
) -> dict[str, object]:
    """Compare heat before and after; the network is as it was afterwards.

    Args:
        cam: of the network. pixels: uint8 (N, size, size, 3).

    Returns:
        {"stages": {stage: mean Spearman rank correlation with the trained network's heat}, "passed": whether it is
        small once everything is random, None where the heatmaps are too coarse or too even to say}.
    """
    trained = cam.heats(pixels)
    uneven = np.ptp(trained.heat, axis=(1, 2)) > 0
    if trained.heat[0].size < CELLS or not uneven.any():
        return {"stages": {}, "passed": None}
    random = _random(architecture, seed)
    stages = {}
    for stage, first in STAGES.items():
        with _replaced(network, random, first):
            heat = cam.heats(pixels, trained.classes).heat
        pairs = [rank_correlation(a, b) for a, b in zip(trained.heat[uneven], heat[uneven], strict=True)]
        stages[stage] = round(float(np.mean(pairs)), 2)
    return {"stages": stages, "passed": stages["everything"] < ALIKE}


@lru_cache(maxsize=1)  # arms have the same architecture, and to build a network takes seconds
def _random(architecture: Architecture, seed: int) -> Network:
    return build(architecture, seed)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation of two heatmaps; 0 where one of them is even."""
    a, b = (_ranks(x.ravel()) for x in (first, second))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


@contextmanager
def _replaced(network: Network, random: Network, first: str | None) -> Iterator[None]:
    """The head and the base's layers from `first` on with the other network's weights, and back."""
    ours, theirs = _variables(network, first), _variables(random, first)
    before = [variable.numpy() for variable in ours]
    try:
        for variable, other in zip(ours, theirs, strict=True):
            variable.assign(other)
        yield
    finally:
        for variable, value in zip(ours, before, strict=True):
            variable.assign(value)


def _variables(network: Network, first: str | None) -> list[keras.Variable]:
    chosen = list(network.top.variables)
    if first is not None:
        names = [layer.name for layer in network.base.layers]
        start = names.index(first) if first else 0
        chosen += [variable for layer in network.base.layers[start:] for variable in layer.variables]
    return chosen
