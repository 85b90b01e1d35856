"""The one table between domain errors and gRPC statuses, in both directions."""

import re
import secrets
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from defectory import errors

DOMAIN = "defectory"
CODES: dict[type[errors.DefectoryError], int] = {
    errors.InvalidInput: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.NotServed: code_pb2.UNIMPLEMENTED,
    errors.Refused: code_pb2.PERMISSION_DENIED,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.Corrupted: code_pb2.DATA_LOSS,
    errors.Exhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.Expired: code_pb2.DEADLINE_EXCEEDED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.Cancelled: code_pb2.CANCELLED,
}
ERRORS = {code: kind for kind, code in CODES.items()} | {
    code_pb2.OUT_OF_RANGE: errors.InvalidInput,
    code_pb2.DEADLINE_EXCEEDED: errors.Unavailable,
}

# Python's and NumPy's, torch's, TensorFlow's: by name, since none of them is loaded here.
OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError")

# A status travels in trailers, of which clients take 8 KiB, the message twice and percent-encoded; one that is larger
# arrives as another error, or as none. Errors may repeat what the caller sent, and that may be long.
MAX_MESSAGE, MAX_FIELD, MAX_RIGHT, MAX_FIELDS = 900, 80, 200, 8  # bytes of UTF-8; violations


def to_status(error: Exception) -> status_pb2.Status:
    """The status of an error; an unexpected one is logged whole and told the caller as INTERNAL with an id only."""
    if any(kind.__name__ in OUT_OF_MEMORY for kind in type(error).__mro__):
        error = errors.Exhausted(f"there is not enough memory: {error}; send less at once, or smaller pictures")
    code = _code(type(error))
    if code is None:
        identity = secrets.token_hex(8)
        from structlog import get_logger  # only servers log, and clients need not wait for its import

        get_logger(__name__).error("unexpected error", error_id=identity, exc_info=error)
        return status_pb2.Status(code=code_pb2.INTERNAL, message=f"internal error {identity}; the service's log has it")
    status = status_pb2.Status(code=code, message=_cut(str(error), MAX_MESSAGE))
    _add(status, error_details_pb2.ErrorInfo(reason=type(error).__name__, domain=DOMAIN))
    if isinstance(error, errors.DefectoryError) and error.fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=_cut(field, MAX_FIELD), description=_cut(why, MAX_RIGHT))
            for field, why in islice(error.fields.items(), MAX_FIELDS)
        ]
        _add(status, error_details_pb2.BadRequest(field_violations=violations))
    if isinstance(error, errors.Exhausted) and error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        _add(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def _cut(text: str, limit: int) -> str:
    """The text in at most so many bytes of UTF-8, without its middle: its end says what would be right."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    gap = " … "
    kept = limit - len(gap.encode())
    start, end = encoded[: kept - kept // 3], encoded[-(kept // 3) :]
    return start.decode(errors="ignore") + gap + end.decode(errors="ignore")


def from_status(status: status_pb2.Status) -> errors.DefectoryError:
    """The domain error of a status: the very kind, where one of our services says which."""
    details = [_unpacked(detail) for detail in status.details]
    reasons = [x.reason for x in details if isinstance(x, error_details_pb2.ErrorInfo) and x.domain == DOMAIN]
    ours = [kind for kind in _kinds(errors.DefectoryError) if kind.__name__ in reasons and _code(kind) == status.code]
    kind = ours[0] if ours else ERRORS.get(status.code)
    if kind is None:
        return errors.DefectoryError(status.message or code_pb2.Code.Name(status.code))
    error = kind(status.message)
    for detail in details:
        if isinstance(detail, error_details_pb2.BadRequest):
            error.fields.update({v.field: v.description for v in detail.field_violations})
        if isinstance(detail, error_details_pb2.RetryInfo) and isinstance(error, errors.Exhausted):
            error.retry_after_s = detail.retry_delay.ToNanoseconds() / 1e9
    return error


def _kinds(kind: type[errors.DefectoryError]) -> Iterator[type[errors.DefectoryError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _code(kind: type[Exception]) -> int | None:
    return next((CODES[parent] for parent in kind.__mro__ if parent in CODES), None)


def _unpacked(detail: any_pb2.Any) -> Message | None:
    """A detail of a kind that is read here; None for another."""
    message: Message
    for message in (error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()):
        if detail.Unpack(message):
            return message
    return None


# How gRPC 1.85 says that it reaches nobody; a name that is none is said otherwise.
NO_CONNECTION = re.compile(r"last error: \w+: (?:ipv[46]:)?(?P<address>(?:unix:)?[^\s]+): (?P<why>.+)", re.DOTALL)
NO_NAME = re.compile(r"(?:address lookup failed|resolution failed) for (?P<address>[^\s]+): (?P<why>[^\]]+)")


def error_from_rpc(error: grpc.RpcError) -> errors.DefectoryError:
    """The domain error of a failed call."""
    call: Any = error  # grpc's RpcError is also a Call, which its types do not say
    status = rpc_status.from_call(call)
    if status is None:
        message = _nobody_there(call.details() or "") or call.details() or str(call.code())
        status = status_pb2.Status(code=call.code().value[0], message=message)
    return from_status(status)


def _nobody_there(details: str) -> str:
    """What gRPC says of a server that cannot be reached, as a person says it; empty where it says something else."""
    known = NO_CONNECTION.search(details) or NO_NAME.search(details)
    if known is None:
        return ""
    address, why = unquote(known["address"]), known["why"].strip().rstrip(".")
    return (
        f"no server answers at {address} ({why}): is the address right, does the server run, and do both sides use "
        "TLS, or neither?"
    )


def _add(status: status_pb2.Status, detail: Any) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
