"""Where the time of a piece of work goes, by phase: in the thread that does it, from one change of phase to the next.

Who measures wraps the work in `measuring`; what it calls says `with phase("reading")`, and says it in vain where nobody
measures. What other threads do meanwhile is no phase of its own: the one that works either waits for them or does not.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

Phase = Literal["starting", "reading", "computing", "writing", "waiting"]
PHASES: tuple[Phase, ...] = get_args(Phase)
Item = TypeVar("Item")


class Spent(BaseModel):
    """What a piece of work took, in seconds; the phases add up to the time from its begin to its end.

    Attributes:
        starting: until it could begin: a process, a framework's import, a network built.
        reading: from the store, with what it takes to decode it. writing: to the store.
        computing: all that is nothing else. waiting: for others, of whom it is not known what they did.
        cores: seconds of processor cores, of all its processes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    starting: float = Field(0.0, ge=0)
    reading: float = Field(0.0, ge=0)
    computing: float = Field(0.0, ge=0)
    writing: float = Field(0.0, ge=0)
    waiting: float = Field(0.0, ge=0)
    cores: float = Field(0.0, ge=0)

    @property
    def elapsed(self) -> float:
        """Seconds from begin to end."""
        return sum(self.by_phase().values())

    def by_phase(self) -> Mapping[Phase, float]:
        """Seconds of each phase, in their order."""
        return {name: getattr(self, name) for name in PHASES}


class Clock:
    """Adds up a thread's time by phase."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._phase: Phase = "computing"
        self._since = time.monotonic()
        self._cores = -_core_seconds()

    def turn_to(self, phase: Phase) -> Phase:
        """From now on it is this phase; returns which it was."""
        now = time.monotonic()
        self._seconds[self._phase] += now - self._since
        before, self._phase, self._since = self._phase, phase, now
        return before

    def add(self, phase: Phase, seconds: float) -> None:
        """Count what was spent before this clock began."""
        self._seconds[phase] += seconds

    def account_for(self, spent: Spent) -> None:
        """Of what was waited for it is known now how it was spent."""
        self.turn_to(self._phase)
        self._seconds["waiting"] = max(0.0, self._seconds["waiting"] - (spent.elapsed - spent.waiting))
        for phase, seconds in spent.by_phase().items():
            if phase != "waiting":
                self._seconds[phase] += seconds
        self._cores += spent.cores

    def spent(self) -> Spent:
        """What was spent so far, to the millisecond."""
        self.turn_to(self._phase)
        seconds = {phase: round(value, 3) for phase, value in self._seconds.items()}
        return Spent(**seconds, cores=round(self._cores + _core_seconds(), 3))


_clock: ContextVar[Clock | None] = ContextVar("clock", default=None)  # of this thread's work


@contextmanager
def measuring() -> Iterator[Clock]:
    """Measure what this thread does."""
    clock = Clock()
    token = _clock.set(clock)
    try:
        yield clock
    finally:
        _clock.reset(token)


@contextmanager
def phase(name: Phase) -> Iterator[None]:
    """What is done inside is this phase's; also a decorator."""
    clock = _clock.get()
    before = None if clock is None else clock.turn_to(name)
    try:
        yield
    finally:
        if clock is not None and before is not None:
            clock.turn_to(before)


def each(name: Phase, items: Iterable[Item]) -> Iterator[Item]:
    """The same items; what it takes to get each is this phase's, and what is done with it is not."""
    iterator = iter(items)
    while True:
        with phase(name):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def account_for(spent: Spent) -> None:
    """Say how what this thread waited for was spent."""
    clock = _clock.get()
    if clock is not None:
        clock.account_for(spent)


def _core_seconds() -> float:
    """Of this process and those of its children that have ended."""
    user, system, children_user, children_system, _ = os.times()
    return user + system + children_user + children_system
