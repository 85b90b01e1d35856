"""Workers forked off a process that has imported what their jobs need: TensorFlow's import takes longer than most jobs.

The standard library's fork server does it. It has one thread of its own and no framework at work in it (only imported),
so that a fork is sound, and every worker is a process of its own still (docs/decisions/0015-forked-workers.md).
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess

from defectory.errors import Unavailable
from defectory.serving.operations import worker
from defectory.serving.operations.runner import Work, Workplace
from defectory.serving.operations.standby import Standby

# OpenMP's threads spin while they wait for each other, by default. Beside any other busy process on the same cores that
# makes a training step more than ten times slower; awake for microseconds only, they cost next to nothing when alone.
ENVIRONMENT = {"GOMP_SPINCOUNT": "1000"}  # docs/decisions/0002-waiting-threads-sleep.md


class Nursery:
    """The runner whose workers are forks of one process.

    Args:
        light: jobs, each `module:function`, that take so little that their worker stays for the next (standby.py).
    """

    def __init__(self, workplace: Workplace, light: Collection[str] = ()) -> None:
        self._workplace = workplace
        self._light = frozenset(light)
        self._standby = Standby(workplace, self._staying)
        self._context = multiprocessing.get_context("forkserver")
        self._warming = threading.Lock()
        self._warm = -1  # process id of the fork server whose imports are known to be done

    def prepare(self, job: str) -> None:
        """Wait until workers can be forked: as long as the import of the job's module takes, the first time.

        Raises:
            Unavailable: the import killed the process.
        """
        with self._warming:
            for name, value in ENVIRONMENT.items():
                os.environ.setdefault(name, value)  # the fork server has this process' environment
            self._context.set_forkserver_preload([job.partition(":")[0]])
            resource_tracker.ensure_running()  # it would let SIGTERM through again
            # Whoever ends a group of processes (systemd, a terminal) sends SIGTERM to all of them. Workers leave a
            # checkpoint then; a fork server that went at once would take them along.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            try:
                forkserver.ensure_running()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            server: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # nothing else tells
            if server != self._warm:  # a new one also where the last has died
                first = self._context.Process(target=_nothing)
                _started(first)
                first.join()
                self._warm = server

    def start(self, operation_id: str, job: str) -> Work:
        """A worker at work on an operation; Unavailable where none can be forked."""
        if job in self._light:
            return self._standby.start(operation_id)
        self._standby.clear()
        return self.fork(worker.main, (self._workplace, operation_id), operation_id)

    def fork(self, target: Callable[..., None], arguments: tuple[object, ...], name: str) -> "ForkedWork":
        """A fork that calls what it is given; Unavailable where none can be made."""
        process = self._context.Process(target=target, args=arguments, name=name)
        _started(process)
        return ForkedWork(process)

    def _staying(self, target: Callable[..., None], arguments: tuple[object, ...], name: str) -> ForkServerProcess:
        """A fork that nobody waits for at the end of this process: it is told to go instead."""
        process = self._context.Process(target=target, args=arguments, name=name, daemon=True)
        _started(process)
        return process


class ForkedWork:
    """An operation's work in a fork."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def sentinel(self) -> int:
        """What `multiprocessing.connection.wait` can wait for: ready once it has ended."""
        return self._process.sentinel

    def wait(self) -> int:
        """Wait until it has ended; two threads that read how would take it from each other."""
        self._process.join()
        return self._process.exitcode or 0

    def stop(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()


def _started(process: ForkServerProcess) -> None:
    try:
        process.start()
    except (OSError, EOFError) as error:
        raise Unavailable("the process that workers are forked off died (out of memory?)") from error


def _nothing() -> None:
    """Its end says that the imports are done."""
