"""google.longrunning.Operations over the supervisor."""

import threading

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import empty_pb2

from defectory.errors import InvalidInput
from defectory.serving.caller import GrpcCaller
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.serving.pages import page

LONGEST_WAIT_S = 30.0  # a thread of the server is held meanwhile; clients ask again
ANSWER_S = 1.0  # before a caller's deadline, for the answer's way through the store and back
MAX_WAITING = 8  # callers that hold a thread at once; the others, health among them, find threads of the pool free


class OperationsServicer(operations_pb2_grpc.OperationsServicer):
    """Get, List, Wait, Cancel, Delete."""

    def __init__(self, operations: OperationSupervisor) -> None:
        self._operations = operations
        self._waiting = threading.Semaphore(MAX_WAITING)

    def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """The operation as it stands."""
        return self._operations.get(request.name)

    def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, context: grpc.ServicerContext
    ) -> operations_pb2.ListOperationsResponse:
        """A page of operations, by name."""
        if request.filter:
            right = "leave it empty: filters are not supported"
            raise InvalidInput(f"filter {request.filter!r}: {right}", {"filter": right})
        operations, token = page(
            list(GrpcCaller(context).each(self._operations.list())), request.page_size, request.page_token
        )
        return operations_pb2.ListOperationsResponse(operations=operations, next_page_token=token)

    def WaitOperation(
        self, request: operations_pb2.WaitOperationRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """The operation when it is done, or as it stands after the timeout (at most 30 s; 0 where 8 wait).

        Whose deadline comes before that is answered before his deadline.
        """
        asked = request.timeout.ToMilliseconds() / 1000 if request.HasField("timeout") else LONGEST_WAIT_S
        left = context.time_remaining()
        if not self._waiting.acquire(blocking=False):
            return self._operations.get(request.name)
        try:
            before = left - min(ANSWER_S, left / 2) if left is not None else asked
            return self._operations.wait(request.name, min(asked, LONGEST_WAIT_S, before))
        finally:
            self._waiting.release()

    def CancelOperation(
        self, request: operations_pb2.CancelOperationRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Ask the operation to stop."""
        self._operations.cancel(request.name)
        return empty_pb2.Empty()

    def DeleteOperation(
        self, request: operations_pb2.DeleteOperationRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Forget an operation that is done."""
        self._operations.delete(request.name)
        return empty_pb2.Empty()
