"""Does one operation's work in a process of its own, forked off by the nursery."""

import base64
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import structlog
from google.protobuf import symbol_database
from google.protobuf.message import Message

from defectory.errors import Cancelled
from defectory.memory import keep_freed_memory
from defectory.serving.logs import configure_logs
from defectory.serving.operations.context import Interrupted, StoredJobContext
from defectory.serving.operations.lifeline import EXIT_INTERRUPTED, call_itself, die_with_parent
from defectory.serving.operations.record import OperationRecord, State, pack, read_record, unpack_any, write_record
from defectory.serving.operations.runner import Workplace
from defectory.serving.status import to_status
from defectory.storage import ObjectStore, open_store


def main(workplace: Workplace, operation_id: str) -> None:
    """Run an operation, store how it ended, and leave; the exit code says only whether it ended."""
    context = enter(workplace, operation_id)
    sys.exit(run(context.store, workplace.service, context))


def enter(workplace: Workplace, operation_id: str) -> StoredJobContext:
    """Make a fork a worker: it dies with its service, and SIGTERM sets its context's `stop`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # see nursery.py
    die_with_parent()
    call_itself(operation_id)
    keep_freed_memory()  # a worker lives as long as its job: what it keeps is given back soon enough
    configure_logs(workplace.service, os.environ.get("DEFECTORY_LOG_FORMAT", "json"))
    structlog.contextvars.bind_contextvars(operation=operation_id)
    store = open_store(workplace.store_url)
    context = StoredJobContext(store, workplace.service, operation_id, workplace.settings)

    def stop(*_: object) -> None:
        context.stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service decides
    return context


def run(store: ObjectStore, service: str, context: StoredJobContext) -> int:
    """Run the job of a stored operation to its end."""
    record = read_record(store, service, context.operation_id)
    try:
        job, request = _load(record)
        ended = well(record, job(request, context))
    except Interrupted:
        return EXIT_INTERRUPTED
    except Exception as error:  # whatever went wrong belongs to the operation: its caller must learn of it
        ended = not_well(record, error)
    write_record(store, service, ended)
    return 0


def well(record: OperationRecord, response: Message) -> OperationRecord:
    """The record of an operation that succeeded."""
    return record.model_copy(update={"state": State.SUCCEEDED, "response": pack(response), "status": ""})


def not_well(record: OperationRecord, error: Exception) -> OperationRecord:
    """The record of an operation that was cancelled or failed."""
    state = State.CANCELLED if isinstance(error, Cancelled) else State.FAILED
    status = base64.b64encode(to_status(error).SerializeToString()).decode()
    return record.model_copy(update={"state": state, "status": status})


def request_of(record: OperationRecord) -> Message:
    """What was asked."""
    packed = unpack_any(record.request)
    request: Message = symbol_database.Default().GetSymbol(packed.TypeName())()  # type: ignore[attr-defined]
    request.ParseFromString(packed.value)
    return request


def _load(record: OperationRecord) -> tuple[Callable[[Any, StoredJobContext], Message], Message]:
    module, _, function = record.job.partition(":")
    return getattr(importlib.import_module(module), function), request_of(record)
