"""What every command shares: options, output, exit codes, services."""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

from defectory.datasets.manifest import manifest_key, read_card
from defectory.errors import (
    AlreadyExists,
    Cancelled,
    Corrupted,
    DefectoryError,
    Exhausted,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
)
from defectory.storage import ObjectStore, open_store

EXIT_CODES: Mapping[type[DefectoryError], int] = {
    InvalidInput: 2, NotFound: 3, AlreadyExists: 4, FailedPrecondition: 5, Refused: 6, Corrupted: 7, Exhausted: 8,
    Unavailable: 9, Cancelled: 10,
}  # fmt: skip
EXIT_UNEXPECTED, EXIT_INTERRUPTED = 1, 130

StoreOption = Annotated[
    str, typer.Option("--store", envvar="DEFECTORY_STORE", help="Store: file:///folder or s3://bucket/prefix.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]
WeightsOption = Annotated[
    str, typer.Option("--weights", envvar="DEFECTORY_WEIGHTS", help="ImageNet weights file of MobileNetV2.")
]

console = Console(stderr=True)


def open_named(url: str) -> ObjectStore:
    """The store that a command was told of, or the embedded default: `.defectory` in this folder."""
    return open_store(url or f"file://{Path('.defectory').absolute()}")


def manifest_uri(store: ObjectStore, dataset: str) -> str:
    """The manifest's URI of a dataset's name, or the URI that was given; NotFound."""
    if "://" in dataset:
        store.head(store.key(dataset))
        return dataset
    read_card(store, dataset)
    return store.uri(manifest_key(dataset))


@contextmanager
def services(store: ObjectStore, weights: str = "") -> Iterator[tuple[Any, Any]]:
    """(clients of the services, the display that shows their progress); services start when they are first asked."""
    from orchestrator.pipeline.clients import ServiceClients
    from orchestrator.pipeline.embedded import EmbeddedServices, log_folder
    from orchestrator.pipeline.progress import Display

    with Display(console) as display, EmbeddedServices(store.url, log_folder(store.url), weights=weights) as embedded:
        yield ServiceClients(embedded, display.warn), display


def operate(store: ObjectStore, service: str, method: str, request: Message, weights: str = "") -> Any:
    """Run one long-running call with its progress shown. The same request again goes on where it was."""
    request.request_id = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()[:40]  # type: ignore[attr-defined]
    with services(store, weights) as (clients, display):
        display.started(f"{service} {method}", "asked for")
        return clients.operate(service, method, request, display.progress)


def call(store: ObjectStore, service: str, method: str, request: Message) -> Any:
    """Make one call that answers at once."""
    with services(store) as (clients, _):
        return clients.call(service, method, request)


def tell(values: Mapping[str, Any], as_json: bool) -> None:
    """Print what a command made: a table for a person, or one JSON object."""
    if as_json:
        sys.stdout.write(json.dumps(values) + "\n")
        return
    table = Table(show_header=False, box=None)
    for name, value in values.items():
        table.add_row(name, value if isinstance(value, str) else json.dumps(value))
    Console().print(table)


def message_values(message: Message) -> dict[str, Any]:
    """A message's fields by their proto names."""
    return dict(MessageToDict(message, preserving_proto_field_name=True))


def tell_error(error: DefectoryError, as_json: bool) -> int:
    """Say what went wrong on standard error (and as JSON where that was asked for); returns the exit code."""
    fields = dict(getattr(error, "fields", {}))
    console.print(f"[bold red]{type(error).__name__}[/]: ", end="")
    console.print(str(error), markup=False, highlight=False)
    if as_json:
        sys.stdout.write(json.dumps({"error": type(error).__name__, "message": str(error), "fields": fields}) + "\n")
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), EXIT_UNEXPECTED)
