"""Does one operation's work in a process of its own: `python -m defectory.serving.operations.worker SERVICE ID …`.

Settings for the job come as a JSON object on standard input, so that nothing of them shows in the list of processes.
"""

import argparse
import base64
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from google.protobuf import symbol_database
from google.protobuf.message import Message

from defectory.errors import Cancelled
from defectory.memory import keep_freed_memory
from defectory.serving.logs import configure_logs
from defectory.serving.operations.context import Interrupted, StoredJobContext
from defectory.serving.operations.lifeline import EXIT_INTERRUPTED, die_with
from defectory.serving.operations.record import OperationRecord, State, pack, read_record, unpack_any, write_record
from defectory.serving.status import to_status
from defectory.storage import ObjectStore, open_store


def main() -> int:
    """Run the operation and store how it ended; the exit code says only whether it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service")
    parser.add_argument("operation_id")
    parser.add_argument("--store", required=True)
    parser.add_argument("--parent", type=int, required=True, help="process id of the service")
    arguments = parser.parse_args()
    die_with(arguments.parent)
    keep_freed_memory()  # a worker lives as long as its job: what it keeps is given back soon enough
    settings = json.load(sys.stdin)
    configure_logs(arguments.service, os.environ.get("DEFECTORY_LOG_FORMAT", "json"))
    store = open_store(arguments.store)
    context = StoredJobContext(store, arguments.service, arguments.operation_id, settings)

    def stop(*_: object) -> None:
        context.stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service decides
    return run(store, arguments.service, context)


def run(store: ObjectStore, service: str, context: StoredJobContext) -> int:
    """Run the job of a stored operation to its end."""
    record = read_record(store, service, context.operation_id)
    try:
        job, request = _load(record)
        response = job(request, context)
        ended = record.model_copy(update={"state": State.SUCCEEDED, "response": pack(response), "status": ""})
    except Interrupted:
        return EXIT_INTERRUPTED
    except Cancelled as error:
        ended = _not_well(record, State.CANCELLED, error)
    except Exception as error:  # whatever went wrong belongs to the operation: its caller must learn of it
        ended = _not_well(record, State.FAILED, error)
    write_record(store, service, ended)
    return 0


def _load(record: OperationRecord) -> tuple[Callable[[Any, StoredJobContext], Message], Message]:
    module, _, function = record.job.partition(":")
    job = getattr(importlib.import_module(module), function)
    packed = unpack_any(record.request)
    request = symbol_database.Default().GetSymbol(packed.TypeName())()  # type: ignore[attr-defined]
    request.ParseFromString(packed.value)
    return job, request


def _not_well(record: OperationRecord, state: State, error: Exception) -> OperationRecord:
    status = base64.b64encode(to_status(error).SerializeToString()).decode()
    return record.model_copy(update={"state": state, "status": status})


if __name__ == "__main__":
    sys.exit(main())
