"""Starts, watches, resumes and cancels operations: a stored record and a worker process each."""

import base64
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess

import structlog
from google.longrunning import operations_pb2
from google.protobuf.message import Message
from google.rpc import status_pb2

from defectory.api.operations.v1 import operations_pb2 as progress_pb2
from defectory.errors import (
    AlreadyExists,
    Cancelled,
    Corrupted,
    DefectoryError,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    Unavailable,
)
from defectory.serving import metrics
from defectory.serving.operations.leases import RENEW_S, Leases
from defectory.serving.operations.lifeline import EXIT_INTERRUPTED
from defectory.serving.operations.nursery import Nursery
from defectory.serving.operations.record import (
    OperationRecord,
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

NAME = "operations/"
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_CRASHES = 3  # a worker that dies this often in a row is not restarted again
CANCEL_GRACE_S = 30.0  # a cancelled worker that does not report within it is killed

log = structlog.get_logger(__name__)


class OperationSupervisor:
    """The operations of one service."""

    def __init__(self, store: ObjectStore, service: str, settings: Mapping[str, str], workers: int = 1) -> None:
        self._store = store
        self._service = service
        self._nursery = Nursery(service, store.url, settings)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="operation")
        self._changed = threading.Condition()
        self._active: dict[str, ForkServerProcess | None] = {}  # None: waiting for its turn
        self._leases = Leases(store, service)
        self._elsewhere: set[str] = set()  # owned by another service; ours when that one leaves it off
        self._stopping = False
        self._closed = threading.Event()
        threading.Thread(target=self._keep_leases, name="leases", daemon=True).start()

    def start(self, job: str, request: Message) -> operations_pb2.Operation:
        """Start a job, or return the operation that the same request started before (taking up what did not succeed).

        Args:
            job: `module:function`; see `defectory.serving.operations.context`.
            request: the request; its `request_id` identifies the operation.

        Raises:
            InvalidInput: no request_id. AlreadyExists: it was used for another request.
        """
        request_id = getattr(request, "request_id", "")
        if not REQUEST_ID.fullmatch(request_id):
            right = "use 1 to 64 of A-Z, a-z, 0-9, '_' and '-', the same again for a repeated start"
            raise InvalidInput(f"request_id {request_id!r}: {right}", {"request_id": right})
        operation_id = f"{job.rpartition(':')[2]}-{request_id}"
        record = OperationRecord(id=operation_id, job=job, request=pack(request), created=datetime.now(UTC))
        with self._changed:
            try:
                write_record(self._store, self._service, record, if_absent=True)
            except AlreadyExists:
                stored = read_record(self._store, self._service, operation_id)
                if stored.request != record.request:
                    right = "use a new request_id for a new request"
                    raise AlreadyExists(f"request_id {request_id!r} started something else: {right}") from None
                if stored.state in (State.FAILED, State.CANCELLED):  # its worker may still be on its way out
                    self._changed.wait_for(lambda: operation_id not in self._active, timeout=CANCEL_GRACE_S)
                if stored.state is not State.SUCCEEDED:
                    self._take_up(operation_id, asked=True)
            else:
                if self._own(operation_id):
                    self._enqueue(record)
        return self.get(NAME + operation_id)

    def resume_unfinished(self) -> None:
        """Take up what a service before this one left unfinished, and what one beside this one will leave so."""
        with self._changed:
            for record in self._records():
                if record.state is State.UNFINISHED:
                    self._take_up(record.id)

    def get(self, name: str) -> operations_pb2.Operation:
        """The operation as it stands; NotFound."""
        return self._message(read_record(self._store, self._service, _id(name)))

    def list(self) -> Iterator[operations_pb2.Operation]:
        """Every operation of this service, by name, each read when it is asked for."""
        return map(self._message, self._records())

    def wait(self, name: str, timeout_s: float) -> operations_pb2.Operation:
        """The operation as soon as it is done, or as it stands after the timeout."""
        deadline = time.monotonic() + timeout_s
        while True:
            operation = self.get(name)
            left = deadline - time.monotonic()
            if operation.done or left <= 0:
                return operation
            with self._changed:
                self._changed.wait(min(left, 0.25))

    def cancel(self, name: str) -> None:
        """Ask the operation to stop; what it confirmed before stays. Without effect on one that is done.

        One whose record is damaged is stopped where somebody works on it; what is left of it can be deleted.
        """
        operation_id = _id(name)
        with self._changed:
            record = self._readable(operation_id)
            if record is not None and record.state is not State.UNFINISHED:
                return
            self._store.put(cancel_key(self._service, operation_id), b"")
            worker = self._active.get(operation_id)
            if worker is not None:
                _stop(worker)
            elif record is None:
                return
            elif operation_id in self._active:
                self._end(record, State.CANCELLED, Cancelled(f"operation {operation_id} was cancelled"))
            else:  # its owner's worker sees the marker; where there is no owner, it is ours to end
                self._take_up(operation_id)

    def delete(self, name: str) -> None:
        """Forget an operation that is done, or whose record is damaged; FailedPrecondition while it runs."""
        operation_id = _id(name)
        with self._changed:
            record = self._readable(operation_id)
            if self._is_worked_on(operation_id) if record is None else record.state is State.UNFINISHED:
                raise FailedPrecondition(f"operation {operation_id} is not done; cancel it first")
            self._elsewhere.discard(operation_id)
            for info in self._store.list(owners_prefix(self._service, operation_id)):
                self._store.delete(info.key)
            for key in (progress_key, cancel_key, record_key):
                self._store.delete(key(self._service, operation_id))

    def shutdown(self, grace_s: float) -> None:
        """Stop workers so that the next start takes them up; kill those that do not stop within the grace."""
        with self._changed:
            self._stopping = True
            for worker in self._workers():
                worker.terminate()
            self._changed.wait_for(lambda: not self._workers(), timeout=grace_s)
            for worker in self._workers():
                worker.kill()
        self._pool.shutdown(cancel_futures=True)
        with self._changed:
            self._closed.set()
            for operation_id in self._active:  # those that waited for their turn
                self._release(operation_id)

    def _workers(self) -> Sequence[ForkServerProcess]:
        return [worker for worker in self._active.values() if worker is not None]

    def _records(self) -> Iterator[OperationRecord]:
        for _, operation_id in list_operations(self._store, self._service):
            try:
                record = read_record(self._store, self._service, operation_id)
            except NotFound:  # deleted while we list
                continue
            except Corrupted as error:  # keeps neither the service from starting nor the others from being seen
                log.error("an operation cannot be read", operation=operation_id, error=str(error))
                continue
            yield record

    def _readable(self, operation_id: str) -> OperationRecord | None:
        """The record; None where it is damaged. Raises NotFound."""
        try:
            return read_record(self._store, self._service, operation_id)
        except Corrupted:
            return None

    def _is_worked_on(self, operation_id: str) -> bool:
        """Whether somebody works on an operation, or will, of which no record tells."""
        if operation_id in self._active or not self._leases.take(operation_id):
            return True
        self._leases.release(operation_id)
        return False

    def _own(self, operation_id: str) -> bool:
        """Whether to work on the operation now: not while another service that lives does, but as soon as it stops."""
        if self._stopping or operation_id in self._active:
            return False
        if self._leases.take(operation_id):
            self._elsewhere.discard(operation_id)
            return True
        self._elsewhere.add(operation_id)
        return False

    def _take_up(self, operation_id: str, asked: bool = False) -> None:
        """Work on what its last owner left unfinished, or on what somebody asks for again though it did not succeed."""
        if not self._own(operation_id):
            return
        try:
            record = read_record(self._store, self._service, operation_id)
        except DefectoryError as error:  # deleted meanwhile, damaged, or the store is away: then later
            self._release(operation_id)
            if isinstance(error, Unavailable):
                self._elsewhere.add(operation_id)
            raise
        marker = cancel_key(self._service, operation_id)
        if asked:
            self._store.delete(marker)
        if record.state is State.SUCCEEDED or (record.state is not State.UNFINISHED and not asked):
            self._leases.release(operation_id)
        elif self._store.exists(marker):
            self._end(record, State.CANCELLED, Cancelled(f"operation {operation_id} was cancelled"))
            self._leases.release(operation_id)
        else:
            log.info("taking up again", operation=operation_id)
            again = {"state": State.UNFINISHED, "status": "", "restarts": record.restarts + 1}
            record = record.model_copy(update=again)
            write_record(self._store, self._service, record)
            self._enqueue(record)

    def _enqueue(self, record: OperationRecord) -> None:
        self._active[record.id] = None
        self._pool.submit(self._work, record.id, record.job)

    def _keep_leases(self) -> None:
        """Renew what we own, stop work on what we lost, take up what others left; in a thread of its own."""
        while not self._closed.wait(RENEW_S):
            with self._changed:
                for operation_id in {*self._active, *self._elsewhere}:
                    try:
                        if operation_id not in self._active:
                            self._take_up(operation_id)
                        elif operation_id not in self._elsewhere and not self._leases.renew(operation_id):
                            self._lose(operation_id)
                    except Exception as error:  # a store that is away, a damaged record: later, and the others now
                        log.warning("owner not seen to", operation=operation_id, error=str(error))

    def _lose(self, operation_id: str) -> None:
        """Leave an operation to who took this service for dead."""
        log.warning("another service took it up", operation=operation_id)
        self._elsewhere.add(operation_id)
        worker = self._active[operation_id]
        if worker is not None:
            _stop(worker)

    def _work(self, operation_id: str, job: str) -> None:
        """Run workers for one operation until it ended; in a thread of the pool."""
        try:
            with metrics.OPERATIONS_RUNNING.labels(job).track_inprogress():
                self._run_workers(operation_id, job)
        except Exception as error:  # a store that is away: the operation stays unfinished and can be asked for again
            log.error("operation left off", operation=operation_id, exc_info=error)
        finally:
            with self._changed:
                self._active.pop(operation_id, None)
                self._changed.notify_all()
                self._release(operation_id)

    def _release(self, operation_id: str) -> None:
        with suppress(DefectoryError):  # then it is found that this process is gone
            self._leases.release(operation_id)

    def _run_workers(self, operation_id: str, job: str) -> None:
        for crashes in range(1, MAX_CRASHES + 1):
            try:
                worker = self._start_worker(operation_id, job)
            except Unavailable as error:
                log.error("no worker can be started", error=str(error))
                code = -signal.SIGKILL
            else:
                if worker is None:
                    return
                worker.join()  # nobody else may: two who read how it ended would take it from each other
                code = worker.exitcode or 0
            with self._changed:
                record = read_record(self._store, self._service, operation_id)
                if record.state is not State.UNFINISHED:
                    metrics.OPERATIONS.labels(job, record.state).inc()
                    log.info("operation ended", operation=operation_id, state=record.state)
                    return
                if self._store.exists(cancel_key(self._service, operation_id)):
                    self._end(record, State.CANCELLED, Cancelled(f"operation {operation_id} was cancelled"))
                    return
                if self._stopping or code == EXIT_INTERRUPTED:
                    return
                log.warning("worker died", operation=operation_id, exit_code=code, crashes=crashes)
                if crashes == MAX_CRASHES:
                    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                    why = "out of memory?" if code == -signal.SIGKILL else "see the service's log"
                    message = f"the worker of {operation_id} died {crashes} times, last by {how} ({why})"
                    self._end(record, State.FAILED, Unavailable(message))
                    return
                metrics.WORKER_RESTARTS.labels(job).inc()
                write_record(self._store, self._service, record.model_copy(update={"restarts": record.restarts + 1}))

    def _start_worker(self, operation_id: str, job: str) -> ForkServerProcess | None:
        """A worker; None where it is no longer ours to work on. Raises Unavailable."""
        self._nursery.warm(job.partition(":")[0])
        with self._changed:
            record = read_record(self._store, self._service, operation_id)
            if self._stopping or record.state is not State.UNFINISHED or not self._leases.renew(operation_id):
                return None
            worker = self._nursery.start(operation_id)
            self._active[operation_id] = worker
        return worker

    def _end(self, record: OperationRecord, state: State, error: Exception) -> None:
        status = base64.b64encode(to_status(error).SerializeToString()).decode()
        write_record(self._store, self._service, record.model_copy(update={"state": state, "status": status}))
        metrics.OPERATIONS.labels(record.job, state).inc()
        self._changed.notify_all()

    def _message(self, record: OperationRecord) -> operations_pb2.Operation:
        operation = operations_pb2.Operation(name=NAME + record.id, done=record.state is not State.UNFINISHED)
        operation.metadata.Pack(self._progress(record))
        if record.state is State.SUCCEEDED:
            operation.response.CopyFrom(unpack_any(record.response))
        elif record.status:
            operation.error.CopyFrom(status_pb2.Status.FromString(base64.b64decode(record.status)))
        return operation

    def _progress(self, record: OperationRecord) -> progress_pb2.Progress:
        message = progress_pb2.Progress(restarts=record.restarts, stage="waiting for a worker")
        message.create_time.FromDatetime(record.created)
        progress = read_progress(self._store, self._service, record.id)
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


def _stop(worker: ForkServerProcess) -> None:
    """Ask a worker to leave off, and kill it where it does not."""
    worker.terminate()
    killer = threading.Timer(CANCEL_GRACE_S, worker.kill)
    killer.daemon = True
    killer.start()


def _id(name: str) -> str:
    if not re.fullmatch(r"operations/[A-Za-z0-9_-]{1,200}", name):
        right = "use the name that the start returned: operations/<id>"
        raise InvalidInput(f"{name!r} is not an operation's name: {right}", {"name": right})
    return name.removeprefix(NAME)
