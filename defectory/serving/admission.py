"""How much may be inside a service at once: what comes beyond is refused at once, with a time to come back."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from defectory.errors import Exhausted

SHORTEST_S, LONGEST_S = 0.05, 30.0
SMOOTHING = 0.1  # share of the newest interval in the mean time that one takes


SIDE_PX = 8  # pixels that one of the longer side counts for: a resize weighs all of them anew for each of its own


def megapixels(width: int, height: int) -> float:
    """What an image takes while it is decoded and resized, in millions of pixels of some 9 bytes.

    A long, narrow one takes more than its area, any other no more: see ImagingResample of Pillow, which holds weights
    for the whole side.
    """
    return max(width * height, SIDE_PX * max(width, height)) / 1e6


class Admission:
    """Counts what calls bring, from their arrival to their answer.

    Args:
        limit: how much may be inside at once. A larger call is let in while nobody else is there.
        unit: what is counted.
    """

    def __init__(self, limit: float, unit: str = "images") -> None:
        self._limit = limit
        self._unit = unit
        self._lock = threading.Lock()
        self._calls = 0
        self._inside = 0.0
        self._each_s = 0.01  # mean time for one of them while there is work
        self._last = time.monotonic()

    @contextmanager
    def admitted(self, count: float) -> Iterator[None]:
        """Be inside with so many, above 0.

        Raises:
            Exhausted: there are too many inside; says when to try again.
        """
        with self._lock:
            if self._calls and self._inside + count > self._limit:
                wait = min(max(self._inside * self._each_s / 2, SHORTEST_S), LONGEST_S)
                raise Exhausted(
                    f"{self._inside:.4g} {self._unit} wait for an answer, and {self._limit:.4g} may: try again in "
                    f"{wait:.2g} s, with increasing pauses",
                    retry_after_s=wait,
                )
            if not self._calls:
                self._inside, self._last = 0.0, time.monotonic()  # without what rounding left
            self._calls += 1
            self._inside += count
        try:
            yield
        finally:
            with self._lock:
                now = time.monotonic()
                self._each_s += SMOOTHING * ((now - self._last) / count - self._each_s)
                self._last = now
                self._calls -= 1
                self._inside -= count
