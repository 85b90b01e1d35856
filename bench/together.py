"""The memory of a command and of all that it starts, taken together, while it goes on.

What the kernel tells of a process that has ended is the largest one's peak alone. Here all processes below this one are
looked at twice a second, and memory that several share counts once (PSS).
"""

import contextlib
import threading
from types import TracebackType

import psutil

EVERY_S = 0.5
MIB = 1 << 20


class Together:
    """A context in which the peak of all processes below this one is watched.

    Attributes:
        peak_mib: the most that they had together in any look.
    """

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Together":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak_mib = max(self.peak_mib, _below() / MIB)
            if self._over.wait(EVERY_S):
                return


def _below() -> int:
    """Bytes of all processes below this one."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # it may end between any two looks at it
            total += process.memory_full_info().pss
    return total
