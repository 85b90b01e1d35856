"""Does one operation's work in a process of its own, forked off by the nursery."""

import base64
import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog
from google.protobuf.message import Message

from defectory.errors import Cancelled
from defectory.memory import keep_freed_memory
from defectory.phases import Clock, measuring, phase
from defectory.serving.logs import configure_logs
from defectory.serving.operations.context import Interrupted, StoredJobContext
from defectory.serving.operations.lifeline import EXIT_INTERRUPTED, call_itself, die_with_parent
from defectory.serving.operations.record import OperationRecord, State, pack, read_record, request_of, write_record
from defectory.serving.operations.runner import Workplace
from defectory.serving.status import to_status
from defectory.storage import ObjectStore, open_store
from defectory.storage.timed import TimedStore

IDLE = "idle"  # what a worker is called that waits for an operation


def main(workplace: Workplace, operation_id: str) -> None:
    """Run an operation, store how it ended, and leave; the exit code says only whether it ended."""
    with measuring() as clock:
        with phase("starting"):
            context = enter(workplace, operation_id)
        state = run(context.store, workplace.service, context, clock)
    sys.exit(_code(state))


@dataclass(frozen=True)
class Answer:
    """How a worker that stays ended an operation.

    Attributes:
        code: as the exit code of one that does not.
        resident_bytes: that it takes now.
    """

    code: int
    succeeded: bool
    resident_bytes: int


def serve(workplace: Workplace, asked: Connection) -> None:
    """Run one operation after the other, each as `main` would, until nobody can ask any more."""
    signal.signal(signal.SIGTERM, _leave)
    store = _become_worker(workplace, IDLE)
    while True:
        try:
            operation_id = asked.recv()
        except EOFError:
            return
        call_itself(operation_id)
        with measuring() as clock:
            context = _context(store, workplace, operation_id)
            state = run(store, workplace.service, context, clock)
        signal.signal(signal.SIGTERM, _leave)
        call_itself(IDLE)
        asked.send(Answer(_code(state), state is State.SUCCEEDED, _resident_bytes()))


def enter(workplace: Workplace, operation_id: str) -> StoredJobContext:
    """Make a fork a worker: it dies with its service, and SIGTERM sets its context's `stop`."""
    return _context(_become_worker(workplace, operation_id), workplace, operation_id)


def _become_worker(workplace: Workplace, name: str) -> ObjectStore:
    """Have what all workers have; the store that it works on."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # see nursery.py
    die_with_parent()
    call_itself(name)
    keep_freed_memory()  # a worker lives as long as its job: what it keeps is given back soon enough
    configure_logs(workplace.service, os.environ.get("DEFECTORY_LOG_FORMAT", "json"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service decides
    return TimedStore(open_store(workplace.store_url))


def _context(store: ObjectStore, workplace: Workplace, operation_id: str) -> StoredJobContext:
    """An operation's, which SIGTERM stops from now on."""
    structlog.contextvars.bind_contextvars(operation=operation_id)
    context = StoredJobContext(store, workplace.service, operation_id, workplace.settings)

    def stop(*_: object) -> None:
        context.stop = True

    signal.signal(signal.SIGTERM, stop)
    return context


def _leave(*_: object) -> None:
    """What SIGTERM does between two operations."""
    sys.exit(EXIT_INTERRUPTED)


def _resident_bytes() -> int:
    """Of this process; proc_pid_statm(5)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def run(store: ObjectStore, service: str, context: StoredJobContext, clock: Clock) -> State:
    """Run the job of a stored operation to its end; how it ended, unfinished where it left off."""
    record = read_record(store, service, context.operation_id)
    count_start(clock, record)
    try:
        with phase("starting"):
            job, request = _load(record)
        ended = well(record, job(request, context))
    except Interrupted:
        return State.UNFINISHED
    except Exception as error:  # whatever went wrong belongs to the operation: its caller must learn of it
        ended = not_well(record, error)
    write_record(store, service, ended.model_copy(update={"spent": clock.spent()}))
    return ended.state


def _code(state: State) -> int:
    """The exit code of a worker whose operation ended so."""
    return EXIT_INTERRUPTED if state is State.UNFINISHED else 0


def count_start(clock: Clock, record: OperationRecord) -> None:
    """Count what went by since an operation was asked for: its turn, and the import that its service forks off.

    Not where it is taken up again: nobody may have worked on it, or another try of which nothing is left.
    """
    if not record.restarts:
        asked = (datetime.now(UTC) - record.created).total_seconds()
        clock.add("starting", max(0.0, asked - clock.spent().elapsed))


def well(record: OperationRecord, response: Message) -> OperationRecord:
    """The record of an operation that succeeded."""
    return record.model_copy(update={"state": State.SUCCEEDED, "response": pack(response), "status": ""})


def not_well(record: OperationRecord, error: Exception) -> OperationRecord:
    """The record of an operation that was cancelled or failed."""
    state = State.CANCELLED if isinstance(error, Cancelled) else State.FAILED
    status = base64.b64encode(to_status(error).SerializeToString()).decode()
    return record.model_copy(update={"state": state, "status": status})


def _load(record: OperationRecord) -> tuple[Callable[[Any, StoredJobContext], Message], Message]:
    module, _, function = record.job.partition(":")
    return getattr(importlib.import_module(module), function), request_of(record)
