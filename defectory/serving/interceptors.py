"""What happens around every call: its turn, the error's status, metrics and a log line."""

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import structlog
from grpc_status import rpc_status

from defectory.errors import Cancelled, DefectoryError, Expired
from defectory.serving import metrics
from defectory.serving.caller import GrpcCaller
from defectory.serving.status import to_status
from defectory.serving.token import OPEN_TO_ALL
from defectory.serving.turn import turn

Continuation = Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None]

log = structlog.get_logger(__name__)


class CallInterceptor(grpc.ServerInterceptor):
    """Turns domain errors of unary calls into statuses, counts and times calls, and logs what failed."""

    def intercept_service(self, continuation: Continuation, details: Any) -> grpc.RpcMethodHandler | None:
        """Wrap unary calls; streams (health's Watch, reflection) pass as they are."""
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        inner, method = handler.unary_unary, details.method

        def call(request: Any, context: grpc.ServicerContext) -> Any:
            started, code, caller = time.perf_counter(), "OK", GrpcCaller(context)
            try:
                answer = inner(request, context)
                if (end := caller.end()) is not None:  # who has gone hears no answer: that call did not go well
                    code = _failed(method, end).code.name
                return answer
            except Exception as error:
                if _was_aborted(context):
                    code = str(context.code().name)
                    raise
                cause = (caller.end() or error) if isinstance(error, Expired | Cancelled) else error
                status = _failed(method, cause)
                code = status.code.name
                context.abort_with_status(status)
            finally:
                metrics.CALLS.labels(method, code).inc()
                metrics.CALL_SECONDS.labels(method).observe(time.perf_counter() - started)

        return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)


def _failed(method: str, error: Exception) -> Any:
    """The error as grpc wants it, logged where it is one of ours: others are when they become a status."""
    status = to_status(error)
    sent: Any = rpc_status.to_status(status)
    if isinstance(error, DefectoryError):
        log.info("call failed", method=method, code=sent.code.name, error=status.message)
    return sent


def _was_aborted(context: grpc.ServicerContext) -> bool:
    return context.code() not in (None, grpc.StatusCode.OK)


class TurnInterceptor(grpc.ServerInterceptor):
    """Lets so many unary calls work at once; the others wait, as long as their callers do. Health takes no turn."""

    def __init__(self, at_once: int) -> None:
        self._turns = threading.Semaphore(at_once)

    def intercept_service(self, continuation: Continuation, details: Any) -> grpc.RpcMethodHandler | None:
        """Wrap unary calls."""
        handler = continuation(details)
        if handler is None or handler.unary_unary is None or details.method.startswith(OPEN_TO_ALL):
            return handler
        inner = handler.unary_unary

        def call(request: Any, context: grpc.ServicerContext) -> Any:
            with turn(self._turns, GrpcCaller(context).remaining_s, "other calls were at work"):
                return inner(request, context)

        return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)
