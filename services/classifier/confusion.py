"""What is taken for what: counts of images by truth and decision, and the figures that follow from them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Confusion:
    """A confusion table.

    Attributes:
        counts: (C, C) int, rows of the truth, columns of the decision.
    """

    counts: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, decided: np.ndarray, classes: int) -> "Confusion":
        """Of indices of classes, (N,) each."""
        counts = np.zeros((classes, classes), int)
        np.add.at(counts, (truth, decided), 1)
        return cls(counts)

    @property
    def hits(self) -> np.ndarray:
        """(C,): images that are what they were taken for."""
        return np.diag(self.counts)

    @cached_property
    def shown(self) -> np.ndarray:
        """(C,): images of each class."""
        return np.asarray(self.counts.sum(axis=1))

    @cached_property
    def claimed(self) -> np.ndarray:
        """(C,): images taken for each class."""
        return np.asarray(self.counts.sum(axis=0))

    @property
    def precision(self) -> np.ndarray:
        """(C,): of a class that nothing is taken for 0."""
        return _share(self.hits, self.claimed)

    @property
    def recall(self) -> np.ndarray:
        """(C,): of a class that no image shows 0."""
        return _share(self.hits, self.shown)

    @property
    def f1(self) -> np.ndarray:
        """(C,): harmonic mean of both; 0 of a class that is neither there nor claimed."""
        return _share(2 * self.hits, self.shown + self.claimed)


def _share(count: np.ndarray, of: np.ndarray) -> np.ndarray:
    share: np.ndarray = np.divide(count, of, out=np.zeros(len(of)), where=of > 0)
    return share
