"""`defectory operations`: the long-running work that the store remembers."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer

from defectory.errors import Corrupted, InvalidInput, NotFound
from defectory.serving.operations.record import State, list_operations, read_progress, read_record
from defectory.storage import ObjectStore
from defectory.storage.places import path_or_uri
from orchestrator.cli.options import AsJson, Store, Verbose, opened, session, store_url
from orchestrator.cli.output import emit, table

UNREADABLE = "unreadable"  # state of an operation whose record is damaged
STOP_S = 60.0  # a worker finishes the step that it is in; one that does not is killed, or found dead, within it

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Long-running operations.")


@app.command(name="list")
def list_(
    service: Annotated[str, typer.Option("--service", help="Only of this service.")] = "",
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """List operations, as the store remembers them, the latest last.

    \b
    defectory operations list --service classifier
    """
    store_ = opened(store)
    rows = [_row(store_, *names) for names in list_operations(store_, service)]
    rows.sort(key=lambda row: str(row["created"]))
    columns = ["operation", "state", "stage", "done", "created", "updated", "restarts", "error"]
    emit(
        {"operations": rows}, as_json, table(rows, columns) if rows else f"there are none in {path_or_uri(store_.url)}"
    )


@app.command()
def cancel(
    operation: Annotated[str, typer.Argument(help="Its name, as `operations list` shows it.")],
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Ask an operation to stop, wherever it runs, and wait until it has.

    \b
    defectory operations cancel operations/classifier/train_classifier-classifier-train-0f3a
    """
    parts = operation.split("/")
    if len(parts) != 3 or parts[0] != "operations":
        right = "use operations/<service>/<id>, as `defectory operations list` shows it"
        raise InvalidInput(f"{operation!r} is no operation's name: {right}", {"operation": right})
    _, service, operation_id = parts
    store_ = opened(store)
    with suppress(Corrupted):  # it is stopped all the same
        read_record(store_, service, operation_id)  # no service is started for one that does not exist
    with session(store_url(store), verbose=verbose) as services, services.step(f"cancel {operation_id}"):
        services.clients.cancel(service, f"operations/{operation_id}")
        state = _ended(store_, service, operation_id)
    emit({"operation": operation, "cancelled": state is State.CANCELLED, "state": state or UNREADABLE}, as_json)


def _ended(store: ObjectStore, service: str, operation_id: str) -> State | None:
    """How the operation ended; unfinished where it does not end in time, None where no record tells."""
    deadline = time.monotonic() + STOP_S
    try:
        while (state := read_record(store, service, operation_id).state) is State.UNFINISHED:
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
    except Corrupted:
        return None
    return state


def _row(store: ObjectStore, service: str, operation_id: str) -> dict[str, str | int]:
    """An operation as it is listed; times are UTC. One that cannot be read says so and hides no other."""
    row: dict[str, str | int] = {
        "operation": f"operations/{service}/{operation_id}", "job": "", "state": UNREADABLE, "stage": "", "done": "",
        "created": "", "updated": "", "restarts": 0, "error": "",
    }  # fmt: skip
    try:
        record = read_record(store, service, operation_id)
    except (Corrupted, NotFound) as error:  # the latter: deleted since it was listed
        return row | {"error": str(error)}
    row |= {"job": record.job, "state": str(record.state), "restarts": record.restarts}
    row |= {"created": _time(record.created), "error": record.error}
    if progress := read_progress(store, service, operation_id):
        row |= {"stage": progress.stage, "updated": _time(progress.updated)}
        row["done"] = f"{progress.done} of {progress.total} {progress.unit}".rstrip()
    return row


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
