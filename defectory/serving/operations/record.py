"""What the store knows of an operation. One writer an object: no lock is needed.

operations/<service>/<id>.json           request, state, result    the ledger; the worker when it ends
operations/<service>/<id>/progress.json  the latest progress       the worker
operations/<service>/<id>/cancelled      somebody asked to stop    the ledger
operations/<service>/<id>/owners/…       which service works on it its leases (leases.py)
"""

import base64
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum

from google.protobuf import any_pb2, json_format, symbol_database
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from defectory.errors import Corrupted, NotFound
from defectory.phases import Spent
from defectory.storage.references import rooted, unrooted
from defectory.storage.store import ObjectStore

MAX_REMAINING_S = 10.0 * 365 * 24 * 3600  # beyond ten years nobody is told how long it takes


class State(StrEnum):
    """Where an operation stands; the last three are final."""

    UNFINISHED = "unfinished"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OperationRecord(BaseModel):
    """An operation as it is stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    job: str  # "services.generator.jobs:train_generator"
    request: str  # base64 of a google.protobuf.Any
    state: State = State.UNFINISHED
    response: str = ""  # base64 of a google.protobuf.Any, when it succeeded
    status: str = ""  # base64 of a google.rpc.Status, when it did not
    created: datetime
    restarts: int = Field(0, ge=0, le=2**31 - 1)
    spent: Spent | None = None  # by its last try; None before that ended

    @field_validator("request", "response", "status")
    @classmethod
    def _packed(cls, value: str, field: ValidationInfo) -> str:
        kind = status_pb2.Status if field.field_name == "status" else any_pb2.Any
        try:
            kind.FromString(base64.b64decode(value, validate=True))
        except DecodeError as error:
            raise ValueError(f"no {kind.DESCRIPTOR.full_name}: {error}") from error
        return value

    @property
    def error(self) -> str:
        """What it failed of; empty where it did not."""
        message: str = status_pb2.Status.FromString(base64.b64decode(self.status)).message
        return message


class ProgressRecord(BaseModel):
    """The latest progress of an operation as it is stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str = ""
    done: int = Field(0, ge=-(2**63), lt=2**63)  # as the message has it
    total: int = Field(0, ge=-(2**63), lt=2**63)
    unit: str = ""
    rate: float = 0.0  # units a second
    remaining_s: float | None = Field(None, ge=0, le=MAX_REMAINING_S)
    values: dict[str, float] = {}
    sample_uri: str = ""
    warning: str = ""
    updated: datetime


def record_key(service: str, operation_id: str) -> str:
    """Key of an operation's record."""
    return f"operations/{service}/{operation_id}.json"


def progress_key(service: str, operation_id: str) -> str:
    """Key of an operation's progress."""
    return f"operations/{service}/{operation_id}/progress.json"


def cancel_key(service: str, operation_id: str) -> str:
    """Key of the marker that somebody asked an operation to stop."""
    return f"operations/{service}/{operation_id}/cancelled"


def owners_prefix(service: str, operation_id: str) -> str:
    """What the keys of an operation's owners start with."""
    return f"operations/{service}/{operation_id}/owners/"


def list_operations(store: ObjectStore, service: str = "") -> Iterator[tuple[str, str]]:
    """(service, id) of all operations that have a record, of all services or of one, in the order of their keys."""
    for info in store.list(f"operations/{service}/" if service else "operations/"):
        parts = info.key.split("/")
        if len(parts) == 3 and parts[2].endswith(".json"):
            yield parts[1], parts[2].removesuffix(".json")


def read_record(store: ObjectStore, service: str, operation_id: str) -> OperationRecord:
    """The record; NotFound when there is no such operation, Corrupted when it cannot be read."""
    key = record_key(service, operation_id)
    try:
        stored = OperationRecord.model_validate_json(store.get(key))
        record = _with_messages(stored, lambda message: rooted(message, store))
    except NotFound as error:
        raise NotFound(f"there is no operation {operation_id!r} of the {service}") from error
    except ValidationError as error:
        raise Corrupted(f"{key} is not an operation's record, and can only be deleted: {error}") from error
    if record.id != operation_id:
        raise Corrupted(f"{key} is the record of {record.id[:100]!r}, and can only be deleted")
    return record


def read_progress(store: ObjectStore, service: str, operation_id: str) -> ProgressRecord | None:
    """The latest progress; None before the first, and where it cannot be read: nothing depends on it."""
    try:
        return ProgressRecord.model_validate_json(rooted(store.get(progress_key(service, operation_id)), store))
    except (NotFound, ValidationError):
        return None


def write_record(store: ObjectStore, service: str, record: OperationRecord, *, if_absent: bool = False) -> None:
    """Write the record."""
    stored = _with_messages(record, lambda message: unrooted(message, store))
    store.put(record_key(service, record.id), stored.model_dump_json(indent=1).encode(), if_absent=if_absent)


def write_progress(store: ObjectStore, service: str, operation_id: str, progress: ProgressRecord) -> None:
    """Write the latest progress."""
    store.put(progress_key(service, operation_id), unrooted(progress.model_dump_json().encode(), store))


def pack(message: Message) -> str:
    """A message as base64 of an Any; the same message always gives the same text."""
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return base64.b64encode(packed.SerializeToString(deterministic=True)).decode()


def unpack_any(text: str) -> any_pb2.Any:
    """The Any that `pack` wrote."""
    packed: any_pb2.Any = any_pb2.Any.FromString(base64.b64decode(text))
    return packed


def request_of(record: OperationRecord) -> Message:
    """What was asked."""
    return _message_of(unpack_any(record.request))


def _message_of(packed: any_pb2.Any) -> Message:
    """The message in an Any; KeyError where this process does not know its type."""
    message: Message = symbol_database.Default().GetSymbol(packed.TypeName())()
    message.ParseFromString(packed.value)
    return message


def _with_messages(record: OperationRecord, change: Callable[[bytes], bytes]) -> OperationRecord:
    """The record with what `change` makes of the JSON of its request and its response.

    One that this process cannot read, being damaged or of a type that it does not know, stays as it is: it is no use
    here, and what else the record says is.
    """

    def changed(text: str) -> str:
        if not text:
            return text
        try:
            message = _message_of(unpack_any(text))
            said = json_format.MessageToJson(message).encode()
        except (KeyError, DecodeError, json_format.Error, ValueError):
            return text
        if (says := change(said)) == said:
            return text
        return pack(json_format.Parse(says, type(message)()))

    return record.model_copy(update={"request": changed(record.request), "response": changed(record.response)})
