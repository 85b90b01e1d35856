"""What operations of a service there are, and where each stands: all that is read and written of them in the store.

Nothing here holds a lock: a store may take seconds to answer, and only who asks for that answer waits for it. Who
changes one operation from several threads does so one after the other (supervisor.py); other processes are kept out by
its lease.
"""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

import structlog
from google.longrunning import operations_pb2
from google.protobuf.message import Message
from google.rpc import status_pb2

from defectory.api.operations.v1 import operations_pb2 as progress_pb2
from defectory.errors import Cancelled, Corrupted, NotFound
from defectory.serving import metrics
from defectory.serving.operations.leases import Leases
from defectory.serving.operations.record import (
    OperationRecord,
    ProgressRecord,
    State,
    cancel_key,
    list_operations,
    owners_prefix,
    pack,
    progress_key,
    read_progress,
    read_record,
    record_key,
    unpack_any,
    write_record,
)
from defectory.serving.status import to_status
from defectory.storage.store import ObjectStore

NAME = "operations/"  # what an operation's name starts with; its id follows

log = structlog.get_logger(__name__)


class Ledger:
    """The records of one service's operations.

    Attributes:
        leases: which of them this process owns.
    """

    def __init__(self, store: ObjectStore, service: str) -> None:
        self._store = store
        self._service = service
        self.leases = Leases(store, service)

    def add(self, operation_id: str, job: str, request: Message) -> OperationRecord:
        """A new operation; AlreadyExists where there is one of that id."""
        record = OperationRecord(id=operation_id, job=job, request=pack(request), created=datetime.now(UTC))
        write_record(self._store, self._service, record, if_absent=True)
        return record

    def read(self, operation_id: str) -> OperationRecord:
        """An operation's record. Raises NotFound, Corrupted."""
        return read_record(self._store, self._service, operation_id)

    def read_if_sound(self, operation_id: str) -> OperationRecord | None:
        """The record; None where it is damaged. Raises NotFound."""
        try:
            return self.read(operation_id)
        except Corrupted:
            return None

    def each(self) -> Iterator[OperationRecord]:
        """Every operation by name, each read when it is asked for; what cannot be read does not hide the others."""
        for _, operation_id in list_operations(self._store, self._service):
            try:
                record = self.read(operation_id)
            except NotFound:  # deleted while we list
                continue
            except Corrupted as error:
                log.error("an operation cannot be read", operation=operation_id, error=str(error))
                continue
            yield record

    def take_up(self, record: OperationRecord) -> OperationRecord:
        """Write that an operation is worked on once more."""
        again = {"state": State.UNFINISHED, "status": "", "restarts": record.restarts + 1}
        record = record.model_copy(update=again)
        write_record(self._store, self._service, record)
        return record

    def fail(self, record: OperationRecord, error: Exception) -> None:
        """Write that an operation ended with an error that its worker could not tell."""
        self._end(record, State.FAILED, error)

    def cancel(self, record: OperationRecord) -> None:
        """Write that an operation was cancelled, where no worker can."""
        self._end(record, State.CANCELLED, Cancelled(f"operation {record.id} was cancelled"))

    def ask_to_stop(self, operation_id: str) -> None:
        """Leave a mark that an operation's worker sees, whichever service's it is."""
        self._store.put(cancel_key(self._service, operation_id), b"")

    def is_asked_to_stop(self, operation_id: str) -> bool:
        """Whether there is such a mark."""
        return self._store.exists(cancel_key(self._service, operation_id))

    def forget_to_stop(self, operation_id: str) -> None:
        """Remove the mark."""
        self._store.delete(cancel_key(self._service, operation_id))

    def delete(self, operation_id: str) -> None:
        """Remove all that is stored of an operation, its record last."""
        for info in self._store.list(owners_prefix(self._service, operation_id)):
            self._store.delete(info.key)
        for key in (progress_key, cancel_key, record_key):
            self._store.delete(key(self._service, operation_id))

    def progress(self, operation_id: str) -> ProgressRecord | None:
        """The latest progress; None before the first."""
        return read_progress(self._store, self._service, operation_id)

    def _end(self, record: OperationRecord, state: State, error: Exception) -> None:
        status = base64.b64encode(to_status(error).SerializeToString()).decode()
        write_record(self._store, self._service, record.model_copy(update={"state": state, "status": status}))
        metrics.OPERATIONS.labels(record.job, state).inc()


def to_message(
    record: OperationRecord, progress: ProgressRecord | None = None, waits: str = "starting"
) -> operations_pb2.Operation:
    """An operation as its callers see it.

    Args:
        progress: the latest; None before the first.
        waits: in its place, what the work waits for.
    """
    operation = operations_pb2.Operation(name=NAME + record.id, done=record.state is not State.UNFINISHED)
    operation.metadata.Pack(_progress(record, progress, waits))
    if record.state is State.SUCCEEDED:
        operation.response.CopyFrom(unpack_any(record.response))
    elif record.status:
        operation.error.CopyFrom(status_pb2.Status.FromString(base64.b64decode(record.status)))
    return operation


def _progress(record: OperationRecord, progress: ProgressRecord | None, waits: str) -> progress_pb2.Progress:
    message = progress_pb2.Progress(restarts=record.restarts, stage=waits)
    message.create_time.FromDatetime(record.created)
    if record.spent is not None:
        message.spent.CopyFrom(progress_pb2.Spent(**record.spent.model_dump()))
    if progress is None:
        return message
    message.stage, message.done, message.total, message.unit = (
        progress.stage, progress.done, progress.total, progress.unit,
    )  # fmt: skip
    message.rate, message.sample_uri, message.warning = progress.rate, progress.sample_uri, progress.warning
    message.values.update(progress.values)
    message.update_time.FromDatetime(progress.updated)
    if progress.remaining_s is not None:
        message.remaining.FromMilliseconds(int(progress.remaining_s * 1000))
    return message
