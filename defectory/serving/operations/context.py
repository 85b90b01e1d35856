"""What a job gets to work with: the store, its settings, and somewhere to report progress."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol

import structlog

from defectory.errors import Cancelled
from defectory.serving.operations.record import MAX_REMAINING_S, ProgressRecord, cancel_key, write_progress
from defectory.storage.store import NOT_NOW, ObjectStore

NOTHING: Mapping[str, float] = MappingProxyType({})
REPORT_EVERY_S = 1.0  # progress is for people; the store is not asked to keep more
STORE_AWAY_S = 30.0  # a store that is full, away or closed is left alone for so long

log = structlog.get_logger(__name__)


class Interrupted(BaseException):
    """The service stops: the job leaves off, to be taken up again. Not an Exception, so that no job swallows it."""


class JobContext(Protocol):
    """What a job may use."""

    store: ObjectStore
    operation_id: str
    settings: Mapping[str, str]

    def report(
        self,
        stage: str,
        done: float,
        total: int,
        unit: str,
        *,
        values: Mapping[str, float] = NOTHING,
        sample_uri: str = "",
        warning: str = "",
    ) -> None:
        """Say how far the work is; called often, written rarely.

        Args:
            stage: what is being done now, for a person.
            done, total, unit: units of work finished, in all (0: unknown), and what a unit is, in the plural; parts of
                a unit count for the rate.
            values: latest measurements by name.
            sample_uri: the latest picture to look at.
            warning: what a person should know of this work while it runs.

        Raises:
            Cancelled: somebody asked this operation to stop.
        """


class StoredJobContext:
    """JobContext that writes to the store; `stop` is set by the worker's signal handler."""

    def __init__(self, store: ObjectStore, service: str, operation_id: str, settings: Mapping[str, str]) -> None:
        self.store = store
        self.operation_id = operation_id
        self.settings = settings
        self.stop = False
        self._service = service
        self._written = self._looked = float("-inf")
        self._stage = ""
        self._from: tuple[float, float] = (0.0, 0)  # when this stage was first reported, and how much was done then
        self._sample_uri = ""

    def report(
        self,
        stage: str,
        done: float,
        total: int,
        unit: str,
        *,
        values: Mapping[str, float] = NOTHING,
        sample_uri: str = "",
        warning: str = "",
    ) -> None:
        """Write progress at most once a second, at a change of stage and at the end of it."""
        self._leave_if_asked()
        now = time.monotonic()
        self._sample_uri = sample_uri or self._sample_uri
        if stage != self._stage or done < self._from[1]:
            self._stage, self._from, self._written = stage, (now, done), float("-inf")
        if now - self._written < REPORT_EVERY_S and done != total:
            return
        self._written = now
        started, before = self._from
        rate = (done - before) / (now - started) if now > started else 0.0
        record = ProgressRecord(
            stage=stage,
            done=int(done),
            total=total,
            unit=unit,
            rate=rate,
            remaining_s=_remaining_s(total - done, rate) if total else None,
            values=dict(values),
            sample_uri=self._sample_uri,
            warning=warning,
            updated=datetime.now(UTC),
        )
        try:
            write_progress(self.store, self._service, self.operation_id, record)
        except NOT_NOW as error:  # nobody sees it for a while; the work need not stop for that
            self._written = now + STORE_AWAY_S
            log.warning("progress was not written", error=str(error), next_in_s=STORE_AWAY_S)

    def _leave_if_asked(self) -> None:
        """Look for the marker once a second: who put it may be another service than the one that sends signals."""
        now = time.monotonic()
        if not self.stop and now - self._looked < REPORT_EVERY_S:
            return
        self._looked = now
        try:
            if self.store.exists(cancel_key(self._service, self.operation_id)):
                raise Cancelled(f"operation {self.operation_id} was cancelled")
        except NOT_NOW:  # it is not known who asks: work that is stopped stays unfinished, to be taken up again
            self._looked = now + STORE_AWAY_S
        if self.stop:
            raise Interrupted


def _remaining_s(left: float, rate: float) -> float | None:
    """Seconds that what is left takes; None where the rate says nothing of it."""
    seconds = left / rate if rate > 0 and left >= 0 else MAX_REMAINING_S
    return seconds if seconds < MAX_REMAINING_S else None
