"""Where an operation's work is done: never in the process that serves, and behind one interface wherever that is.

A fork of this machine does it (nursery.py), several processes of a training on several GPUs
(services/generator/several.py), or whatever else can start a job by an operation's id, stop it and say how it ended:
the operation itself, what it is asked and what comes of it, is in the store (record.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Workplace:
    """What work is told, wherever it is done.

    Attributes:
        service: whose operations they are.
        store_url: where they, and all that they read and write, are stored.
        settings: what the service itself was told that its jobs need to know.
    """

    service: str
    store_url: str
    settings: Mapping[str, str]


class Work(Protocol):
    """One operation's work under way."""

    def wait(self) -> int:
        """Wait until it has ended, and return the exit code; called once, by one thread.

        0: how it ended stands in the operation's record. EXIT_INTERRUPTED: it left off, to be taken up again. Others:
        it died, below 0 of the signal with that number.
        """

    def stop(self) -> None:
        """Ask it to leave off: soon, and behind a checkpoint. Without effect where it has ended."""

    def kill(self) -> None:
        """End it at once. Without effect where it has ended."""


class Runner(Protocol):
    """Starts the work of operations."""

    def prepare(self, job: str) -> None:
        """Make ready what the work of a job needs, which may take long the first time, so that `start` does not.

        Raises:
            Unavailable: that failed; another try may not.
        """

    def start(self, operation_id: str, job: str) -> Work:
        """Start the work of an operation that is stored, and do not wait for it.

        Args:
            job: `module:function`, as its record says.

        Raises:
            Unavailable: it cannot be started now.
        """
