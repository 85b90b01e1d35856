"""Steps that are done beside others: each in a thread of its own, which waits for a service most of the time."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Beside(Generic[Result]):
    """Pieces of work that go on while their starter does something else.

    Threads are daemons: who leaves with an error or by a signal waits for none of them.
    """

    def __init__(self) -> None:
        self._over: queue.SimpleQueue[tuple[str, Result | BaseException]] = queue.SimpleQueue()
        self.running: list[str] = []

    def start(self, name: str, work: Callable[[], Result]) -> None:
        """Begin a piece of work."""

        def carry_out() -> None:
            try:
                self._over.put((name, work()))
            except BaseException as error:
                self._over.put((name, error))

        self.running.append(name)
        threading.Thread(target=carry_out, name=name, daemon=True).start()

    def ended(self) -> Iterator[tuple[str, Result]]:
        """(name, what came of it) of all that has ended by now; raises what a piece of work failed with."""
        while self.running and not self._over.empty():
            yield self.wait()

    def wait(self) -> tuple[str, Result]:
        """(name, what came of it) of the next to end; raises what it failed with."""
        if not self.running:
            raise RuntimeError("there is nothing under way to wait for")
        name, came = self._over.get()
        self.running.remove(name)
        if isinstance(came, BaseException):
            raise came
        return name, came
