"""How many images may be inside at once: what comes beyond is refused at once, with a time to come back."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from defectory.errors import Exhausted

SHORTEST_S, LONGEST_S = 0.05, 30.0
SMOOTHING = 0.1  # share of the newest interval in the mean time an image takes


class Admission:
    """Counts images from a call's arrival to its answer.

    Args:
        limit: images inside at once. A larger call is let in while nobody else is there.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._inside = 0
        self._image_s = 0.01  # mean time between answered images while there is work
        self._last = time.monotonic()

    @contextmanager
    def admitted(self, images: int) -> Iterator[None]:
        """Be inside with so many images.

        Raises:
            Exhausted: there are too many inside; says when to try again.
        """
        with self._lock:
            if self._inside and self._inside + images > self._limit:
                wait = min(max(self._inside * self._image_s / 2, SHORTEST_S), LONGEST_S)
                raise Exhausted(
                    f"{self._inside} images wait for an answer, and {self._limit} may: try again in {wait:.2g} s, with "
                    "increasing pauses",
                    retry_after_s=wait,
                )
            if not self._inside:
                self._last = time.monotonic()
            self._inside += images
        try:
            yield
        finally:
            with self._lock:
                now = time.monotonic()
                self._image_s += SMOOTHING * ((now - self._last) / images - self._image_s)
                self._last = now
                self._inside -= images
