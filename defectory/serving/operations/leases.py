"""Whose an operation is, where several services share a store: one works on it, the others leave it alone.

operations/<service>/<id>/owners/<number>.json is made by a conditional write, so that one of many wins, and is written
again and again while its owner lives. The highest number counts. It is gone once its owner has left the operation off.

An owner is dead when its process is gone, where that is one of this machine (a service that was killed is followed at
once); elsewhere when its object has not changed for LEASE_S, by the clock of who looks.
"""

import os
import platform
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from defectory.errors import AlreadyExists, NotFound
from defectory.serving.operations.record import owners_prefix
from defectory.storage.store import ObjectInfo, ObjectStore

RENEW_S = 5.0
LEASE_S = 30.0


class Owner(BaseModel):
    """A process that works on something: of which machine (or container), and which one there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    pid: int
    started: str  # in ticks since boot: a process id is used again
    renewed: float  # only so that the object changes
    host: str = ""  # the machine's name, for a person
    since: float = 0.0  # when it began, in seconds since the epoch

    @property
    def is_of_this_machine(self) -> bool:
        """Whether its process id is one of this machine, or container."""
        return self.machine == _machine()


class Leases:
    """The operations that this process owns.

    Args:
        service: that they are of; "runs" and "experiments" for those, by their names.
    """

    def __init__(self, store: ObjectStore, service: str) -> None:
        self._since = time.time()
        self._store = store
        self._service = service
        self._mine: dict[str, str] = {}  # operation -> key of the object
        self._seen: dict[str, tuple[str, float]] = {}  # key of another's object -> its etag, and since when

    def take(self, operation_id: str, dead: Collection[str] = ()) -> bool:
        """Own the operation; False while another service that lives does.

        Args:
            dead: keys of owners that whoever asks knows to be dead. They stay until this process owns it: numbers that
                begin anew would let two processes own it.
        """
        if operation_id in self._mine:
            return True
        owners = self._owners(operation_id)
        if owners and owners[-1].key not in dead and self._lives(owners[-1]):
            return False
        number = _number(owners[-1]) + 1 if owners else 1
        key = f"{owners_prefix(self._service, operation_id)}{number}.json"
        try:
            self._store.put(key, _this_process(self._since), if_absent=True)
        except AlreadyExists:  # somebody else was first
            return False
        self._mine[operation_id] = key
        for former in owners:
            self._seen.pop(former.key, None)
            self._store.delete(former.key)
        return True

    def renew(self, operation_id: str) -> bool:
        """Go on owning the operation; False when somebody took this process for dead."""
        key = self._mine.get(operation_id)
        if key is None or [info.key for info in self._owners(operation_id)][-1:] != [key]:
            return False
        self._store.put(key, _this_process(self._since))
        return True

    def release(self, operation_id: str) -> None:
        """Own it no longer."""
        key = self._mine.pop(operation_id, None)
        if key is not None:
            self._store.delete(key)

    def _owners(self, operation_id: str) -> list[ObjectInfo]:
        return sorted(self._store.list(owners_prefix(self._service, operation_id)), key=_number)

    def _lives(self, info: ObjectInfo) -> bool:
        try:
            owner = Owner.model_validate_json(self._store.get(info.key))
        except NotFound:  # released since it was listed
            return False
        except ValidationError:  # of another release, perhaps: it still changes while it lives
            owner = None
        if owner is not None and owner.is_of_this_machine:
            # One of this process that is not in `_mine` could not be deleted when it was released.
            return owner.pid != os.getpid() and owner.started == _started(owner.pid)
        etag, since = self._seen.get(info.key, ("", 0.0))
        if etag != info.etag:
            since = time.monotonic()
            self._seen[info.key] = (info.etag, since)
        return time.monotonic() - since < LEASE_S


def is_worked_on(store: ObjectStore, service: str, operation_id: str) -> bool:
    """Whether a service works on the operation, or will, as far as one look tells."""
    return owner_of(store, service, operation_id) is not None


def owner_of(store: ObjectStore, service: str, operation_id: str) -> Owner | None:
    """Who works on the operation, or will, as far as one look tells; None where nobody that lives does.

    Of a process on another machine by what it said last, and by this machine's clock.
    """
    owners = sorted(store.list(owners_prefix(service, operation_id)), key=_number)
    if not owners:
        return None
    try:
        owner = Owner.model_validate_json(store.get(owners[-1].key))
    except (NotFound, ValidationError):
        return None
    if owner.is_of_this_machine:
        return owner if owner.started == _started(owner.pid) else None
    return owner if time.time() - owner.renewed < LEASE_S else None


def _number(info: ObjectInfo) -> int:
    with suppress(ValueError):
        return int(info.key.rpartition("/")[2].removesuffix(".json"))
    return 0


def _this_process(since: float) -> bytes:
    pid = os.getpid()
    owner = Owner(
        machine=_machine(), pid=pid, started=_started(pid), renewed=time.time(), host=platform.node(), since=since
    )
    return owner.model_dump_json().encode()


def _machine() -> str:
    """This boot of this machine, and the container, whose process ids are its own."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> str:
    """When a process began; empty when it is gone, or dead and waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
