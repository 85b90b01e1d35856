"""The generator's runner: a training in several processes at once, one a GPU; every other job in one.

A Job of a cluster, which no service watches, starts its processes itself: torchrun.py says why.
"""

import socket
from collections.abc import Sequence
from multiprocessing import connection

from defectory.serving.operations.lifeline import EXIT_INTERRUPTED
from defectory.serving.operations.nursery import ForkedWork, Nursery
from defectory.serving.operations.runner import Work, Workplace
from services.generator.together import Seat, work

TRAINING = "services.generator.jobs:train_generator"
FOLLOW_S = 60.0  # that the others get to end once one has: they learn of it at their next exchange, or never


class Several:
    """Trains in as many forked processes as the service is set to, which meet as torchrun's would."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._nursery = Nursery(workplace)
        self._processes = int(workplace.settings["processes"])

    def prepare(self, job: str) -> None:
        """As the nursery does."""
        self._nursery.prepare(job)

    def start(self, operation_id: str, job: str) -> Work:
        """The work of an operation; Unavailable where not all of its processes can be forked."""
        if job != TRAINING or self._processes == 1:
            return self._nursery.start(operation_id, job)
        port, forks = _free_port(), list[ForkedWork]()
        try:
            for rank in range(self._processes):
                seat = Seat(rank, self._processes, port)
                forks.append(self._nursery.fork(work, (self._workplace, operation_id, seat), operation_id))
        except BaseException:
            for fork in forks:
                fork.kill()
            raise
        return TogetherWork(forks)


class TogetherWork:
    """The work of several processes, which goes on as long as all of them do. The first says how it ended."""

    def __init__(self, forks: Sequence[ForkedWork]) -> None:
        self._forks = forks

    def wait(self) -> int:
        """Wait until all have ended: the first one's code, where it ended well; else of who died by itself."""
        connection.wait([fork.sentinel for fork in self._forks])
        waiting, ended = set(self._forks), set[ForkedWork]()
        while waiting:
            ready = set(connection.wait([fork.sentinel for fork in waiting], FOLLOW_S))
            ended |= (now := {fork for fork in waiting if fork.sentinel in ready})
            waiting -= now
            if not now:
                break
        for fork in waiting:
            fork.kill()
        codes = {fork: fork.wait() for fork in self._forks}
        first = codes[self._forks[0]]
        died = [codes[fork] for fork in ended if codes[fork] not in (0, EXIT_INTERRUPTED)]
        return first if first in (0, EXIT_INTERRUPTED) or not died else min(died)

    def stop(self) -> None:
        """SIGTERM to all; they leave off at the same step."""
        for fork in self._forks:
            fork.stop()

    def kill(self) -> None:
        """SIGKILL to all."""
        for fork in self._forks:
            fork.kill()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
