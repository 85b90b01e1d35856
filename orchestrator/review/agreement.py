"""How far two reviewers agree: Cohen's kappa with its interval, the raw share, and what they differ on."""

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.review.decided import UNDECIDED, Reviewer

Z = 1.959963984540054  # of a normal distribution: 95% lie within so many standard deviations


@dataclass(frozen=True)
class Agreement:
    """Of two reviewers, over the rows that both decided.

    Attributes:
        both: rows. agreed: rows on which they say the same, of verdict and label.
        kappa: in [-1, 1]; None: not defined, for both said one and the same thing of everything.
        low, high: 95% interval of kappa, within [-1, 1]; None as kappa, or where all agree and nothing spreads.
        differ: the rows on which they do not agree.
    """

    first: str
    second: str
    both: int
    agreed: int
    kappa: float | None
    low: float | None
    high: float | None
    differ: np.ndarray


def agreement(first: Reviewer, second: Reviewer) -> Agreement:
    """Compare two reviewers."""
    both = (first.verdict != UNDECIDED) & (second.verdict != UNDECIDED)
    said = [_said(one)[both] for one in (first, second)]
    same = said[0] == said[1]
    kappa, low, high = kappa_interval(*said)
    return Agreement(
        first.name, second.name, int(both.sum()), int(same.sum()), kappa, low, high, np.flatnonzero(both)[~same]
    )


def kappa_interval(first: np.ndarray, second: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """(kappa, low, high) of two raters; all None where chance alone would make them agree on everything.

    The standard error is that of large samples by Fleiss, Cohen and Everitt (Psychological Bulletin 72, 1969, eq. 13).

    Args:
        first, second: (N,), what each says of the same things.
    """
    if len(first) == 0:
        return None, None, None
    names, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (codes[: len(first)], codes[len(first) :]), 1 / len(first))
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float(np.trace(table)), float(rows @ columns)
    if math.isclose(expected, 1):
        return None, None, None
    kappa = (observed - expected) / (1 - expected)
    diagonal = np.diag(table) * (1 - (rows + columns) * (1 - kappa)) ** 2
    beside = table * (columns[:, None] + rows[None, :]) ** 2  # p_ij (p_.i + p_j.)^2
    np.fill_diagonal(beside, 0)
    spread = diagonal.sum() + (1 - kappa) ** 2 * beside.sum() - (kappa - expected * (1 - kappa)) ** 2
    error = math.sqrt(max(float(spread), 0.0) / len(first)) / (1 - expected)
    if error == 0:
        return kappa, None, None
    return kappa, max(kappa - Z * error, -1.0), min(kappa + Z * error, 1.0)


def _said(one: Reviewer) -> np.ndarray:
    """(N,): verdict and label as one number."""
    return one.verdict.astype(np.int64) + 4 * one.label.astype(np.int64)
