"""What happens around every call: the token, the error's status, metrics and a log line."""

import hmac
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

Continuation = Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None]
OPEN_TO_ALL = ("/grpc.health.v1.Health/",)  # probes carry no token

log = structlog.get_logger(__name__)


class TokenInterceptor(grpc.ServerInterceptor):
    """Refuses calls without the bearer token."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def intercept_service(self, continuation: Continuation, details: Any) -> grpc.RpcMethodHandler | None:
        """Let the call pass, or answer UNAUTHENTICATED."""
        sent = next((v for k, v in details.invocation_metadata if k == "authorization"), "")
        if details.method.startswith(OPEN_TO_ALL) or hmac.compare_digest(str(sent).encode(), self._expected):
            return continuation(details)
        handler = continuation(details)
        return None if handler is None else _refusing(handler)


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
                    code = str(context.code().name)  # type: ignore[attr-defined]
                    raise
                told = (caller.end() or error) if isinstance(error, Expired | Cancelled) else error
                status = _failed(method, told)
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
    return context.code() not in (None, grpc.StatusCode.OK)  # type: ignore[attr-defined]


def _refusing(handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
    def refuse(_request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "this service wants `authorization: Bearer <token>`")

    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = makers[(handler.request_streaming, handler.response_streaming)]
    return make(refuse, None, handler.response_serializer)  # what a stranger sends is not even parsed
