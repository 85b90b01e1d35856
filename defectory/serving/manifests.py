"""How services read manifests: a call as long as its caller waits, an operation until it is cancelled or stopped."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from defectory.datasets.manifest import LOOK_EVERY, MAX_LINES, Reading
from defectory.errors import Expired
from defectory.memory import give_back
from defectory.serving.caller import GrpcCaller
from defectory.serving.operations.context import JobContext
from defectory.serving.turn import turn

SETTING = "max_manifest_lines"
LONG = 10 * LOOK_EVERY  # lines from which on their memory is worth giving back
GIVE_BACK_AFTER_S = 1.0  # a call that failed holds what it has read until its error is on its way


class Manifests:
    """Manifests as calls read them: of one call at a time, so that their memory is that of one, given back behind it.

    Args:
        max_lines: of a manifest; a longer one is refused.
    """

    def __init__(self, max_lines: int = MAX_LINES) -> None:
        self._max_lines = max_lines
        self._turn = threading.Lock()

    @contextmanager
    def read_for(self, context: grpc.ServicerContext) -> Iterator[Reading]:
        """Read for a call. What is read must be let go before the end.

        Raises:
            Expired: the caller's deadline has passed, or he has gone.
        """
        caller, most = GrpcCaller(context), 0

        def look(lines: int) -> None:
            nonlocal most
            most = max(most, lines)
            if caller.remaining_s() == 0:
                raise Expired("the deadline passed, or the caller went, before the manifest was read")

        with turn(self._turn, caller.remaining_s, "other manifests were read"):
            try:
                yield Reading(self._max_lines, look)
            finally:
                if most >= LONG:
                    timer = threading.Timer(GIVE_BACK_AFTER_S, give_back)
                    timer.daemon = True
                    timer.start()


def reading_of(job: JobContext) -> Reading:
    """How an operation reads: as much as its service is set to, with its progress, until it is cancelled or stopped."""
    most = int(job.settings.get(SETTING, MAX_LINES))
    return Reading(most, lambda lines: job.report("reading the manifest", lines, 0, "lines"))
