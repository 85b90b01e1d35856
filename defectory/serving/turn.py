"""One after the other, or a few at once, but no longer than there is time: a lock that heeds the caller's deadline."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from defectory.errors import Expired

LOOK_S = 0.1  # between looks whether who waits still has the time

Remaining = Callable[[], float | None]  # seconds to a caller's deadline, None without one; Cancelled when he has gone


@contextmanager
def turn(lock: "threading.Lock | threading.Semaphore", remaining_s: Remaining, meanwhile: str) -> Iterator[None]:
    """Hold a lock, or one of a semaphore's places.

    Args:
        meanwhile: what the others do who have it, for the error.

    Raises:
        Expired, Cancelled: the caller's time is over before the others have let go of it.
    """
    while not lock.acquire(timeout=LOOK_S):
        left = remaining_s()
        if left is not None and left <= 0:
            raise Expired(f"the deadline passed while {meanwhile}")
    try:
        yield
    finally:
        lock.release()
