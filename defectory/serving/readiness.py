"""When a server has become ready: each of its gRPC services says SERVING."""

import threading
from collections.abc import Iterable

from grpc_health.v1 import health_pb2

from defectory.serving.health import HealthServicer

STATUS = health_pb2.HealthCheckResponse


class Readiness:
    """Health of a server's gRPC services, and whether all of them have been reached.

    Attributes:
        healths: what health checks are answered from.
        ready: set once, when the server has started and the last of them serves.
    """

    def __init__(self, healths: HealthServicer) -> None:
        self.ready = threading.Event()
        self.healths = healths
        self._said: set[str] = set()
        self._loading: set[str] = set()
        self._started = False

    def set_serving(self, name: str, serving: bool) -> None:
        """Say of one service whether it serves; those of which nothing is said serve from the start."""
        self._said.add(name)
        self.healths.set(name, STATUS.SERVING if serving else STATUS.NOT_SERVING)
        (self._loading.discard if serving else self._loading.add)(name)
        self._look()

    def started(self, names: Iterable[str]) -> None:
        """The server listens."""
        for name in {*names} - self._said:
            self.set_serving(name, True)
        self._started = True
        self._look()

    def _look(self) -> None:
        if self._started and not self._loading:
            self.ready.set()
