"""Workers that take one operation after another, for jobs that take less time than what they build before they begin.

A worker knows nothing of when to go: it answers what it is asked and ends when nobody can ask any more. Who asks
decides: after an idle while, after so many operations, beyond so much memory, and after the first that did not succeed
(docs/decisions/0041-workers-that-stay.md).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from defectory.serving.operations import worker
from defectory.serving.operations.runner import Workplace

IDLE_S = 60.0  # longer than the steps of a run between two evaluations, short enough for memory that others want
MOST_OPERATIONS = 100  # of one worker: what a framework leaks is bounded
MOST_BYTES = 2 << 30  # resident, of a worker that waits
Fork = Callable[[Callable[..., None], tuple[object, ...], str], ForkServerProcess]


@dataclass
class _Staying:
    """A worker, and this side of the pipe to it."""

    process: ForkServerProcess
    pipe: Connection
    operations: int = 0


class Standby:
    """The workers of a service that stay."""

    def __init__(self, workplace: Workplace, fork: Fork) -> None:
        self._workplace = workplace
        self._fork = fork
        self._lock = threading.Lock()
        self._idle: list[tuple[_Staying, threading.Timer]] = []

    def start(self, operation_id: str) -> "StandbyWork":
        """An operation's work in a worker that is idle, or in a new one; Unavailable where none can be forked."""
        while (idle := self._taken()) is not None:
            try:
                idle.pipe.send(operation_id)
            except OSError:  # it was killed while nobody looked
                idle.pipe.close()
            else:
                return StandbyWork(idle, self._back)
        ours, its = Pipe()
        with its:
            process = self._fork(worker.serve, (self._workplace, its), operation_id)
        ours.send(operation_id)
        return StandbyWork(_Staying(process, ours), self._back)

    def clear(self) -> None:
        """Let the idle ones go: their memory is wanted."""
        while (idle := self._taken()) is not None:
            idle.pipe.close()

    def _taken(self) -> _Staying | None:
        with self._lock:
            if not self._idle:
                return None
            idle, timer = self._idle.pop()
        timer.cancel()
        return idle

    def _back(self, staying: _Staying, answer: worker.Answer) -> None:
        """Keep a worker that has ended an operation, or let it go."""
        staying.operations += 1
        if not answer.succeeded or answer.resident_bytes > MOST_BYTES or staying.operations >= MOST_OPERATIONS:
            staying.pipe.close()
            return
        timer = threading.Timer(IDLE_S, self._leave, (staying,))
        timer.daemon = True
        with self._lock:
            self._idle.append((staying, timer))
        timer.start()

    def _leave(self, staying: _Staying) -> None:
        with self._lock:
            kept = [entry for entry in self._idle if entry[0] is not staying]
            gone = len(kept) < len(self._idle)
            self._idle = kept
        if gone:
            staying.pipe.close()


class StandbyWork:
    """An operation's work in a worker that stays; signals reach it only while it is at this operation."""

    def __init__(self, staying: _Staying, back: Callable[[_Staying, worker.Answer], None]) -> None:
        self._staying = staying
        self._back = back
        self._lock = threading.Lock()
        self._ended = False

    def wait(self) -> int:
        """Wait until it has answered, or has died without an answer."""
        pipe, process = self._staying.pipe, self._staying.process
        connection.wait([pipe, process.sentinel])
        try:
            answer: worker.Answer | None = pipe.recv() if pipe.poll() else None
        except (EOFError, OSError):
            answer = None
        with self._lock:
            self._ended = True
        if answer is None:
            process.join()
            pipe.close()
            return process.exitcode or 0
        self._back(self._staying, answer)
        return answer.code

    def stop(self) -> None:
        """SIGTERM."""
        with self._lock:
            if not self._ended:
                self._staying.process.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        with self._lock:
            if not self._ended:
                self._staying.process.kill()
