"""Starts, watches, resumes and cancels operations: the ledger knows them, the runner works on them.

Two kinds of lock. Who reads or changes one operation in the store takes that operation's turn, however long the store
takes; other operations, and health, do not notice. What the service itself remembers (which operations it works on) is
guarded by `_changed`, which nobody holds while he asks the store or the runner anything.
"""

import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from google.longrunning import operations_pb2
from google.protobuf.message import Message

from defectory.errors import AlreadyExists, DefectoryError, FailedPrecondition, InvalidInput, Unavailable
from defectory.serving import metrics
from defectory.serving.operations.leases import RENEW_S
from defectory.serving.operations.ledger import NAME, Ledger, to_message
from defectory.serving.operations.lifeline import EXIT_INTERRUPTED
from defectory.serving.operations.record import OperationRecord, State, pack
from defectory.serving.operations.runner import Runner, Work
from defectory.serving.operations.turns import Turns
from defectory.storage.store import ObjectStore

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_CRASHES = 3  # a worker that dies this often in a row is not restarted again
CANCEL_GRACE_S = 30.0  # a cancelled worker that does not report within it is killed
KEEPERS = 16  # owned operations whose leases are renewed at once: a slow store must not make this service look dead

log = structlog.get_logger(__name__)


class OperationSupervisor:
    """The operations of one service."""

    def __init__(self, store: ObjectStore, service: str, runner: Runner, workers: int = 1) -> None:
        self._ledger = Ledger(store, service)
        self._runner = runner
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="operation")
        self._turns = Turns()
        self._changed = threading.Condition()  # guards the next four
        self._active: dict[str, Work | None] = {}  # None: waiting for its turn
        self._preparing: set[str] = set()  # whose turn it is, and whose work waits for what it imports
        self._elsewhere: set[str] = set()  # owned by another service; ours when that one leaves it off
        self._stopping = False
        self._look = threading.Event()  # for what is owned, before the next renewal
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
        try:
            record = self._ledger.add(operation_id, job, request)
        except AlreadyExists:
            return self._start_again(operation_id, request, request_id)
        with self._turns.of(operation_id):
            if self._own(operation_id):
                self._enqueue(record)
        return to_message(record)

    def resume_unfinished(self) -> None:
        """Take up what a service before this one left unfinished, and what one beside this one will leave so.

        It is looked for in a thread of its own: nobody waits until a store has listed all that was ever asked for.
        """
        threading.Thread(target=self._find_unfinished, name="resume", daemon=True).start()

    def get(self, name: str) -> operations_pb2.Operation:
        """The operation as it stands; NotFound."""
        return self._message(self._ledger.read(_id(name)))

    def list(self) -> Iterator[operations_pb2.Operation]:
        """Every operation of this service, by name, each read when it is asked for."""
        return map(self._message, self._ledger.each())

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
        with self._turns.of(operation_id):
            record = self._ledger.read_if_sound(operation_id)
            if record is not None and record.state is not State.UNFINISHED:
                return
            self._ledger.ask_to_stop(operation_id)
            with self._changed:
                ours, work = operation_id in self._active, self._active.get(operation_id)
            if work is not None:
                _stop(work)
            elif record is None:
                return
            elif ours:
                self._ledger.cancel(record)
            else:  # its owner's worker sees the marker; where there is no owner, it is ours to end
                self._take_up(operation_id)

    def delete(self, name: str) -> None:
        """Forget an operation that is done, or whose record is damaged; FailedPrecondition while it runs."""
        operation_id = _id(name)
        with self._turns.of(operation_id):
            record = self._ledger.read_if_sound(operation_id)
            if self._is_worked_on(operation_id) if record is None else record.state is State.UNFINISHED:
                raise FailedPrecondition(f"operation {operation_id} is not done; cancel it first")
            with self._changed:
                self._elsewhere.discard(operation_id)
            self._ledger.delete(operation_id)

    def shutdown(self, grace_s: float) -> None:
        """Stop workers so that the next start takes them up; kill those that do not stop within the grace."""
        deadline = time.monotonic() + grace_s
        with self._changed:
            self._stopping = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        for work in self._under_way():
            work.stop()
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way(), timeout=grace_s)
        for work in self._under_way():
            work.kill()
        self._pool.shutdown()
        self._closed.set()
        self._look.set()
        for operation_id in tuple(self._active):  # those that waited for their turn
            if time.monotonic() < deadline:  # else others find that this process is gone
                with self._turns.of(operation_id):
                    self._release(operation_id)

    def _under_way(self) -> tuple[Work, ...]:
        with self._changed:
            return tuple(work for work in self._active.values() if work is not None)

    def _message(self, record: OperationRecord) -> operations_pb2.Operation:
        with self._changed:
            if record.id not in self._active:
                waits = "waiting for the service that works on it"
            elif record.id in self._preparing:
                waits = "loading what the work needs, once a service"
            else:
                waits = "starting" if self._active[record.id] else "waiting until other work of the service is done"
        return to_message(record, self._ledger.progress(record.id), waits)

    def _start_again(self, operation_id: str, request: Message, request_id: str) -> operations_pb2.Operation:
        stored = self._ledger.read(operation_id)
        if stored.request != pack(request):
            right = "use a new request_id for a new request"
            raise AlreadyExists(f"request_id {request_id!r} started something else: {right}")
        if stored.state in (State.FAILED, State.CANCELLED):  # its worker may still be on its way out
            with self._changed:
                self._changed.wait_for(lambda: operation_id not in self._active, timeout=CANCEL_GRACE_S)
        if stored.state is not State.SUCCEEDED:
            with self._turns.of(operation_id):
                self._take_up(operation_id, asked=True)
        return self.get(NAME + operation_id)

    def _is_worked_on(self, operation_id: str) -> bool:
        """Whether somebody works on an operation, or will, of which no record tells; in the operation's turn."""
        with self._changed:
            if operation_id in self._active:
                return True
        if not self._ledger.leases.take(operation_id):
            return True
        self._ledger.leases.release(operation_id)
        return False

    def _own(self, operation_id: str) -> bool:
        """Whether to work on the operation now: not while another service that lives does, but as soon as it stops.

        In the operation's turn, as all that follows.
        """
        with self._changed:
            if self._stopping or operation_id in self._active:
                return False
        owned = self._ledger.leases.take(operation_id)
        with self._changed:
            if owned:
                self._elsewhere.discard(operation_id)
            else:
                self._elsewhere.add(operation_id)
        return owned

    def _take_up(self, operation_id: str, asked: bool = False) -> None:
        """Work on what its last owner left unfinished, or on what somebody asks for again though it did not succeed."""
        if not self._own(operation_id):
            return
        try:
            record = self._ledger.read(operation_id)
        except DefectoryError as error:  # deleted meanwhile, damaged, or the store is away: then later
            self._release(operation_id)
            if isinstance(error, Unavailable):
                with self._changed:
                    self._elsewhere.add(operation_id)
            raise
        if asked:
            self._ledger.forget_to_stop(operation_id)
        if record.state is State.SUCCEEDED or (record.state is not State.UNFINISHED and not asked):
            self._ledger.leases.release(operation_id)
        elif self._ledger.is_asked_to_stop(operation_id):
            self._ledger.cancel(record)
            self._ledger.leases.release(operation_id)
        else:
            log.info("taking up again", operation=operation_id)
            self._enqueue(self._ledger.take_up(record))

    def _enqueue(self, record: OperationRecord) -> None:
        with self._changed:
            if not self._stopping:
                self._elsewhere.discard(record.id)
                self._active[record.id] = None
                self._pool.submit(self._work, record.id, record.job)
                return
        self._release(record.id)

    def _release(self, operation_id: str) -> None:
        with suppress(DefectoryError):  # then it is found that this process is gone
            self._ledger.leases.release(operation_id)

    def _find_unfinished(self) -> None:
        """What is unfinished is looked at as what others may own, and taken up where nobody does."""
        while not self._closed.is_set():
            try:
                for record in self._ledger.each():
                    with self._changed:
                        if record.state is State.UNFINISHED and record.id not in self._active:
                            self._elsewhere.add(record.id)
                            self._look.set()
                return
            except DefectoryError as error:  # the store is away: later
                log.warning("unfinished operations are not known yet", error=str(error))
                self._closed.wait(RENEW_S)

    def _keep_leases(self) -> None:
        """Renew what we own, stop work on what we lost, take up what others left; in a thread of its own."""
        with ThreadPoolExecutor(KEEPERS, thread_name_prefix="lease") as keepers:
            while not self._closed.is_set():
                self._look.clear()
                with self._changed:
                    seen_to = {*self._active, *self._elsewhere}
                list(keepers.map(self._see_to, seen_to))
                self._look.wait(RENEW_S)

    def _see_to(self, operation_id: str) -> None:
        try:
            with self._turns.of(operation_id):
                with self._changed:
                    active, elsewhere = operation_id in self._active, operation_id in self._elsewhere
                if self._closed.is_set():
                    return
                if not active and elsewhere:
                    self._take_up(operation_id)
                elif active and not elsewhere and not self._ledger.leases.renew(operation_id):
                    self._lose(operation_id)
        except Exception as error:  # a store that is away, a damaged record: later, and the others now
            log.warning("owner not seen to", operation=operation_id, error=str(error))

    def _lose(self, operation_id: str) -> None:
        """Leave an operation to who took this service for dead."""
        log.warning("another service took it up", operation=operation_id)
        with self._changed:
            self._elsewhere.add(operation_id)
            work = self._active.get(operation_id)
        if work is not None:
            _stop(work)

    def _work(self, operation_id: str, job: str) -> None:
        """Have one operation worked on until it ended; in a thread of the pool."""
        try:
            metrics.start_operations_at_0(job, set(State) - {State.UNFINISHED})
            with metrics.OPERATIONS_RUNNING.labels(job).track_inprogress():
                self._run(operation_id, job)
        except Exception as error:  # a store that is away: the operation stays unfinished and can be asked for again
            log.error("operation left off", operation=operation_id, exc_info=error)
        finally:
            with self._turns.of(operation_id):
                self._release(operation_id)
                with self._changed:
                    self._active.pop(operation_id, None)
                    self._changed.notify_all()

    def _run(self, operation_id: str, job: str) -> None:
        for crashes in range(1, MAX_CRASHES + 1):
            code = self._run_once(operation_id, job)
            if code is None:
                return
            with self._turns.of(operation_id):
                record = self._ledger.read(operation_id)
                if record.state is not State.UNFINISHED:
                    metrics.OPERATIONS.labels(job, record.state).inc()
                    log.info("operation ended", operation=operation_id, state=record.state)
                    return
                if self._ledger.is_asked_to_stop(operation_id):
                    self._ledger.cancel(record)
                    return
                if self._stopping or code == EXIT_INTERRUPTED:
                    return
                log.warning("worker died", operation=operation_id, exit_code=code, crashes=crashes)
                if crashes == MAX_CRASHES:
                    self._ledger.fail(record, _died(operation_id, code))
                    return
                metrics.WORKER_RESTARTS.labels(job).inc()
                self._ledger.take_up(record)

    def _run_once(self, operation_id: str, job: str) -> int | None:
        """The exit code of the operation's work; None where it is no longer ours to do."""
        try:
            with self._changed:
                self._preparing.add(operation_id)
            try:
                self._runner.prepare(job)
            finally:
                with self._changed:
                    self._preparing.discard(operation_id)
            work = self._begin(operation_id, job)
        except Unavailable as error:
            log.error("no worker can be started", error=str(error))
            return -signal.SIGKILL
        return None if work is None else work.wait()

    def _begin(self, operation_id: str, job: str) -> Work | None:
        with self._turns.of(operation_id):
            if self._stopping or self._ledger.read(operation_id).state is not State.UNFINISHED:
                return None
            if not self._ledger.leases.renew(operation_id):
                return None
            work = self._runner.start(operation_id, job)
            with self._changed:
                self._active[operation_id] = work
                late = self._stopping
        if late:  # whoever stops did not see it; it has done nothing yet that would be lost
            work.kill()
        return work


def _died(operation_id: str, code: int) -> Unavailable:
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    why = "out of memory?" if code == -signal.SIGKILL else "see the service's log"
    return Unavailable(f"the worker of {operation_id} died {MAX_CRASHES} times, last by {how} ({why})")


def _stop(work: Work) -> None:
    """Ask a worker to leave off, and kill it where it does not."""
    work.stop()
    killer = threading.Timer(CANCEL_GRACE_S, work.kill)
    killer.daemon = True
    killer.start()


def _id(name: str) -> str:
    if not re.fullmatch(r"operations/[A-Za-z0-9_-]{1,200}", name):
        right = "use the name that the start returned: operations/<id>"
        raise InvalidInput(f"{name!r} is not an operation's name: {right}", {"name": right})
    return name.removeprefix(NAME)
