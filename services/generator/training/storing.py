"""What a training does with a store that is full or away: it goes on while that can wait, and waits where it cannot."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from defectory.errors import Exhausted, Unavailable

Made = TypeVar("Made")
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0
GIVE_UP_S = 3600.0  # behind the last step there is nothing to do but wait; longer than that, a person is needed

log = structlog.get_logger(__name__)


def if_possible(what: str, write: Callable[[], Made]) -> Made | None:
    """Write something that can wait; None, and a warning, when the store is full or away."""
    try:
        return write()
    except (Unavailable, Exhausted) as error:
        log.warning("not written, training goes on", what=what, error=str(error))
        return None


def until_possible(
    what: str, work: Callable[[], Made], pulse: Callable[[], None], sleep: Callable[[float], None] = time.sleep
) -> Made:
    """Read or write something that cannot wait: try again, with pauses, until the store is back.

    Args:
        pulse: called once a second meanwhile; may raise to stop.
        sleep: pauses for so many seconds.

    Raises:
        Unavailable, Exhausted: the store did not come back within an hour. Whatever pulse raises.
    """
    pause, waited = FIRST_PAUSE_S, 0.0
    while True:
        try:
            return work()
        except (Unavailable, Exhausted) as error:
            if waited >= GIVE_UP_S:
                raise
            log.warning("waiting for the store", what=what, seconds=pause, error=str(error))
        for _ in range(round(pause)):
            pulse()
            sleep(1.0)
        waited += pause
        pause = min(2 * pause, LAST_PAUSE_S)
