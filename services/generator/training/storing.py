"""What a training does with a store that is full, away or closed: goes on while it can, waits where it cannot."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from defectory.errors import DefectoryError, Unavailable
from defectory.storage.store import NOT_NOW
from services.generator.training.distributed import ALONE, World

Made = TypeVar("Made")
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0
GIVE_UP_S = 3600.0  # behind the last step there is nothing to do but wait; longer than that, a person is needed

log = structlog.get_logger(__name__)


def if_possible(what: str, write: Callable[[], Made]) -> Made | None:
    """Write something that can wait; None, and a warning, when the store is full, away or lets nobody in."""
    try:
        return write()
    except NOT_NOW as error:
        log.warning("not written, training goes on", what=what, error=str(error))
        return None


def until_possible(
    what: str,
    work: Callable[[], Made],
    pulse: Callable[[], None],
    world: World = ALONE,
    sleep: Callable[[float], None] = time.sleep,
) -> Made:
    """Read or write something that cannot wait: try again, with pauses, until the store is back.

    Processes that train together all call it and wait together, so that each can be told to stop meanwhile.

    Args:
        work: what is to be done; done again where another process could not do its own.
        pulse: called once a second meanwhile; may raise to stop.
        sleep: pauses for so many seconds.

    Raises:
        Unavailable, Exhausted, Refused: the store did not come back within an hour. Whatever pulse raises.
    """
    pause, waited = FIRST_PAUSE_S, 0.0
    while True:
        outcome, error = _attempt(work)
        if not world.any(error is not None):
            return outcome  # type: ignore[return-value]  # without an error it was made
        error = error or Unavailable(f"{what}: another process has no access to the store")
        if waited >= GIVE_UP_S:
            raise error
        log.warning("waiting for the store", what=what, seconds=pause, error=str(error))
        for _ in range(round(pause)):
            pulse()
            sleep(1.0)
        waited += pause
        pause = min(2 * pause, LAST_PAUSE_S)


def _attempt(work: Callable[[], Made]) -> tuple[Made | None, DefectoryError | None]:
    try:
        return work(), None
    except NOT_NOW as error:
        return None, error
