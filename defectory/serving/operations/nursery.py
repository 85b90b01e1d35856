"""Workers forked off a process that has imported what their jobs need: TensorFlow's import takes longer than most jobs.

The standard library's fork server does it. It has one thread of its own and no framework at work in it (only imported),
so that a fork is sound, and every worker is a process of its own still (docs/decisions/0015-forked-workers.md).
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess

from defectory.errors import Unavailable
from defectory.serving.operations import worker

# OpenMP's threads spin while they wait for each other, by default. Beside any other busy process on the same cores that
# makes a training step more than ten times slower; awake for microseconds only, they cost next to nothing when alone.
ENVIRONMENT = {"GOMP_SPINCOUNT": "1000"}  # docs/decisions/0002-waiting-threads-sleep.md


class Nursery:
    """Where a service's workers come from."""

    def __init__(self, service: str, store_url: str, settings: Mapping[str, str]) -> None:
        self._arguments = service, store_url, dict(settings)
        self._context = multiprocessing.get_context("forkserver")
        self._warming = threading.Lock()

    def warm(self, module: str) -> None:
        """Wait until workers can be forked: as long as the import of a module takes where that has yet to be done.

        Raises:
            Unavailable: the import killed the process.
        """
        with self._warming:
            for name, value in ENVIRONMENT.items():
                os.environ.setdefault(name, value)  # the fork server has this process' environment
            self._context.set_forkserver_preload([module])
            resource_tracker.ensure_running()  # it would let SIGTERM through again
            # Whoever ends a group of processes (systemd, a terminal) sends SIGTERM to all of them. Workers leave a
            # checkpoint then; a fork server that went at once would take them along.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            try:
                forkserver.ensure_running()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            first = self._context.Process(target=_nothing)
            _started(first)
            first.join()

    def start(self, operation_id: str) -> ForkServerProcess:
        """A worker at work on an operation; Unavailable where none can be forked."""
        service, store_url, settings = self._arguments
        process = self._context.Process(
            target=worker.main, args=(service, operation_id, store_url, settings), name=operation_id
        )
        _started(process)
        return process


def _started(process: ForkServerProcess) -> None:
    try:
        process.start()
    except (OSError, EOFError) as error:
        raise Unavailable("the process that workers are forked off died (out of memory?)") from error


def _nothing() -> None:
    """Its end says that the imports are done."""
