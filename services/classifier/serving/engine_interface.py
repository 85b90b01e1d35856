"""What an engine has to do: the queue knows no more of those that there are."""

from typing import Protocol

import numpy as np


class Engine(Protocol):
    """Computes batches; safe to call from `parallel` threads at once.

    Attributes:
        name: as settings name it.
        batch: images that it computes best at once; never asked for more.
        parallel: calls at once that make it faster.
    """

    name: str
    batch: int
    parallel: int

    def run(self, images: np.ndarray, alone: bool) -> np.ndarray:
        """Probabilities float32 (N, labels) of float32 images (N, H, W, 3) in [0, 255].

        Args:
            alone: nothing else is being computed: take all cores for this one.
        """
