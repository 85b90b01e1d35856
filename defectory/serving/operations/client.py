"""The caller's side of a long-running operation: wait for it, watch it, cancel it."""

import time
from collections.abc import Callable

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import duration_pb2, symbol_database
from google.protobuf.message import Message

from defectory.api.operations.v1 import operations_pb2 as progress_pb2
from defectory.errors import Unavailable
from defectory.phases import Spent, account_for, phase
from defectory.serving.status import error_from_rpc, from_status

POLL_S = 2  # progress is looked at so often


def wait_for(
    channel: grpc.Channel,
    operation: operations_pb2.Operation,
    on_progress: Callable[[progress_pb2.Progress], None] | None = None,
    timeout_s: float | None = None,
) -> Message:
    """Wait until the operation is done and return its response, unpacked.

    Raises:
        DefectoryError: what the operation failed with. Unavailable: the service is gone, or the timeout is over.
    """
    if not operation.done:
        with phase("waiting"):
            operation = _done(channel, operation, on_progress, timeout_s)
        account_for(spent_of(operation))
    if operation.HasField("error"):
        raise from_status(operation.error)
    response: Message = symbol_database.Default().GetSymbol(operation.response.TypeName())()
    operation.response.Unpack(response)
    return response


def _done(
    channel: grpc.Channel,
    operation: operations_pb2.Operation,
    on_progress: Callable[[progress_pb2.Progress], None] | None,
    timeout_s: float | None,
) -> operations_pb2.Operation:
    """The operation as it is once it is done."""
    stub = operations_pb2_grpc.OperationsStub(channel)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while not operation.done:
        if deadline is not None and time.monotonic() > deadline:
            raise Unavailable(f"{operation.name} is not done after {timeout_s} s; it goes on, ask for it again")
        request = operations_pb2.WaitOperationRequest(
            name=operation.name, timeout=duration_pb2.Duration(seconds=POLL_S)
        )
        asked = time.monotonic()
        try:
            operation = stub.WaitOperation(request, timeout=POLL_S + 30)
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error
        if on_progress is not None:
            on_progress(progress_of(operation))
        if not operation.done:  # a service where many wait answers at once
            time.sleep(max(0.0, POLL_S - (time.monotonic() - asked)))
    return operation


def progress_of(operation: operations_pb2.Operation) -> progress_pb2.Progress:
    """The progress in an operation's metadata."""
    progress = progress_pb2.Progress()
    operation.metadata.Unpack(progress)
    return progress


def spent_of(operation: operations_pb2.Operation) -> Spent:
    """What an operation took; nothing where that is not known."""
    spent = progress_of(operation).spent
    return Spent(**{field.name: value for field, value in spent.ListFields()})


def cancel(channel: grpc.Channel, name: str) -> None:
    """Ask the operation to stop."""
    stub = operations_pb2_grpc.OperationsStub(channel)
    try:
        stub.CancelOperation(operations_pb2.CancelOperationRequest(name=name), timeout=30)
    except grpc.RpcError as error:
        raise error_from_rpc(error) from error
