"""The memory bank: few patches of good parts that lie as widely as all of them, and how far others are from these."""

import numpy as np

PROJECTED = 64  # dimensions in which patches are chosen: distances hardly change (Johnson & Lindenstrauss 1984)
MOST_CANDIDATES = 100_000  # patches that the bank is chosen from; of more, so many drawn at random
USUAL = 0.98  # share of good images whose distance counts as usual


def chosen(patches: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The bank, float32 (count, channels): each next patch is the one that is farthest from all before.

    A greedy answer to the k-centre problem (section 3.2, algorithm 1): the patch that is farthest from the bank is at
    most twice as far as from the best bank of that size (Gonzalez 1985).

    Args:
        patches: float32 (P, channels). count: at least 1; of fewer patches all are taken. seed: of all that is drawn.
    """
    random = np.random.default_rng(seed)
    if len(patches) > MOST_CANDIDATES:
        patches = patches[random.choice(len(patches), MOST_CANDIDATES, replace=False)]
    if len(patches) <= count:
        return patches
    directions = random.normal(size=(patches.shape[1], PROJECTED)) / np.sqrt(PROJECTED)
    projected = patches @ directions.astype(np.float32)
    squares = (projected**2).sum(axis=1)
    nearest = np.full(len(patches), np.inf, np.float32)
    taken = [int(random.integers(len(patches)))]
    while len(taken) < count:
        last = taken[-1]
        np.minimum(nearest, squares - 2 * (projected @ projected[last]) + squares[last], out=nearest)
        taken.append(int(nearest.argmax()))
    return np.asarray(patches[taken])


def distances(patches: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """(N,): how far the patch of each image that is least like the bank is from it.

    The paper's factor for banks of uneven density (equation 7) is left out.

    Args:
        patches: float32 (N, P, channels). bank: float32 (B, channels).
    """
    squares = (bank**2).sum(axis=1)
    farthest = np.empty(len(patches))
    for number, of_image in enumerate(patches):
        apart = (squares - 2 * (of_image @ bank.T)).min(axis=1) + (of_image**2).sum(axis=1)
        farthest[number] = np.sqrt(max(float(apart.max()), 0.0))
    return farthest


def probabilities(distance: np.ndarray, of_good: np.ndarray) -> np.ndarray:
    """Distances as probabilities of a defect, in [0, 1]: 1/2 at what few good images exceed.

    Args:
        distance: (N,). of_good: (M,), distances of good images that are not remembered, at least one.
    """
    usual = max(float(np.quantile(of_good, USUAL)), np.finfo(float).tiny)
    return np.asarray(distance / (distance + usual))
