"""One after the other where the key is the same, and nobody waits for another key: a lock for each that is in use."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Locks by key, each there while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}  # key -> its lock, and how many hold it or wait

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Hold the lock of a key; not again in the thread that holds it."""
        with self._guard:
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                users = self._locks[key][1] - 1
                if users:
                    self._locks[key] = lock, users
                else:
                    del self._locks[key]
