"""One process carries out a run: a second one, of the same name, is told at once who does and what to do."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from defectory.errors import DefectoryError, FailedPrecondition
from defectory.serving.operations.leases import RENEW_S, Leases, Owner, owner_of
from defectory.serving.operations.record import owners_prefix
from defectory.storage.store import ObjectStore

Kind = Literal["runs", "experiments"]
WATCHED_S = 2 * RENEW_S  # an owner on another machine that says nothing for so long is dead


@contextmanager
def at_work(store: ObjectStore, kind: Kind, name: str) -> Iterator[None]:
    """Be the process that carries out a run or an experiment, for as long as the block lasts.

    Raises:
        FailedPrecondition: another one that lives does; says which, since when, and what to do.
    """
    before = [info.key for info in store.list(owners_prefix(kind, name))]
    if other := _living(store, kind, name):
        raise _taken(kind, name, other)
    leases = Leases(store, kind)
    if not leases.take(name, dead=before):  # somebody was quicker
        raise _taken(kind, name, owner_of(store, kind, name))
    over = threading.Event()
    renewing = threading.Thread(target=_renew, args=(leases, name, over), name="at work", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()
        leases.release(name)


def _renew(leases: Leases, name: str, over: threading.Event) -> None:
    while not over.wait(RENEW_S):
        try:
            leases.renew(name)
        except DefectoryError:  # the store is away: later
            continue


def _living(store: ObjectStore, kind: Kind, name: str) -> Owner | None:
    """Who carries it out; one on another machine, which may have been killed, is watched for a sign of life."""
    owner = owner_of(store, kind, name)
    if owner is None or owner.is_of_this_machine:
        return owner
    until = time.monotonic() + WATCHED_S
    while time.monotonic() < until:
        time.sleep(min(1.0, WATCHED_S / 4))
        now = owner_of(store, kind, name)
        if now is None or now != owner:
            return now
    return None


def _taken(kind: Kind, name: str, owner: Owner | None) -> FailedPrecondition:
    what = f"the {kind[:-1]} {name!r} is being carried out by another process"
    if owner is None:
        return FailedPrecondition(f"{what}, which has just begun: `defectory status` shows how far it is")
    since = datetime.fromtimestamp(owner.since, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    stop = f"stop it with `kill -INT {owner.pid}`" + ("" if owner.is_of_this_machine else " there")
    return FailedPrecondition(
        f"{what}: number {owner.pid} on {owner.host}, since {since}; wait for it (`defectory status` shows how far it "
        f"is), {stop} and start this again to go on, or give this one another name"
    )
