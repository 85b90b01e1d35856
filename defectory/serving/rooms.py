"""Threads for calls of one kind, of which those that wait for their callers give way to others.

A thread of gRPC for Python waits for the message of its call; so a caller who sends none would hold it. Here he holds
it until a time limit at the longest, and until then while nobody else needs it: who has been silent longest goes first.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import structlog

from defectory.serving import metrics

log = structlog.get_logger(__name__)


class Place:
    """A call's place in a room."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.lost = False
        self._context: grpc.ServicerContext | None = None
        self.since = 0.0  # of time.monotonic: when its caller was last heard

    def wait(self, context: grpc.ServicerContext) -> None:
        """The caller is waited for from now on."""
        self._context, self.since = context, time.monotonic()

    def hear(self) -> None:
        """The caller has sent something."""
        self.since = time.monotonic()

    def end(self, why: str) -> None:
        """End the call, whose thread wakes up."""
        log.info("silent call ended", method=self.method, reason=why, silent_s=round(time.monotonic() - self.since, 3))
        metrics.SILENT.labels(self.method).inc()
        if self._context is not None:
            self._context.cancel()


class Room:
    """As many threads as places.

    Args:
        places: calls inside at once.
        silent_s: how long a caller may owe his message, or what comes next in a stream.
    """

    def __init__(self, name: str, places: int, silent_s: float) -> None:
        self.threads = ThreadPoolExecutor(places, thread_name_prefix=name)
        self.places = places
        self._silent_s = silent_s
        self._lock = threading.Lock()
        self._inside = 0
        self._silent: set[Place] = set()

    def enter(self, method: str) -> Place | None:
        """A place for a call, where need be that of who has been silent longest; None where all are at work."""
        oldest = None
        with self._lock:
            if self._inside >= self.places:
                if not self._silent:
                    return None
                oldest = min(self._silent, key=lambda place: place.since)
                self._lose(oldest)
            self._inside += 1
        if oldest is not None:
            oldest.end("others need its place")
        return Place(method)

    def leave(self, place: Place) -> None:
        """The call has ended."""
        with self._lock:
            if not place.lost:
                self._inside -= 1

    @contextmanager
    def silent(self, place: Place, context: grpc.ServicerContext) -> Iterator[None]:
        """Meanwhile the call waits for its caller, and may be ended."""
        place.wait(context)
        with self._lock:
            self._silent.add(place)
        try:
            yield
        finally:
            with self._lock:
                self._silent.discard(place)

    def end_silent(self) -> None:
        """End the calls that have been silent for too long."""
        limit = time.monotonic() - self._silent_s
        with self._lock:
            late = [place for place in self._silent if place.since < limit]
            for place in late:
                self._lose(place)
        for place in late:
            place.end(f"nothing came within {self._silent_s:g} s")

    def is_empty(self) -> bool:
        """Whether no call has a place."""
        with self._lock:
            return self._inside == 0

    def _lose(self, place: Place) -> None:
        self._silent.discard(place)
        place.lost = True
        self._inside -= 1
