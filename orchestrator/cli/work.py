"""Work that a command does itself: it has the line of progress that a service's work has."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.pipeline.display import Display


class Work:
    """A piece of work that is under way.

    Attributes:
        came_of_it: what its line says at the end.
    """

    def __init__(self, display: "Display", name: str) -> None:
        self.came_of_it = ""
        self._display = display
        self._name = name

    def counting(self, stage: str, unit: str) -> Callable[[int, int], None]:
        """A callback that is given (done, total) of the unit."""
        from orchestrator.pipeline.progress import Report

        return lambda done, total: self._display.progress(self._name, Report(stage, done, total, unit))

    def warn(self, text: str) -> None:
        """Say what a person should read, also after the work."""
        self._display.warn(text)


@contextmanager
def work(name: str, what: str, *, verbose: bool) -> Iterator[Work]:
    """Do a piece of work and show how far it is.

    Args:
        what: it is about.
    """
    from orchestrator.pipeline.display import Display

    clock = time.monotonic()
    with Display(verbose=verbose) as display:
        display.started(name, what)
        under_way = Work(display, name)
        yield under_way
        display.finished(name, time.monotonic() - clock, under_way.came_of_it)
