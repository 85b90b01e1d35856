"""Who comes in: what is refused at once, which threads a call takes, and how long it may be silent in them.

gRPC asks interceptors in the one thread that receives every event, so nothing here waits (docs/decisions/0016).
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
from grpc_status import rpc_status

from defectory.errors import DefectoryError, Exhausted, Refused
from defectory.serving import metrics
from defectory.serving.interceptors import Continuation
from defectory.serving.rooms import Place, Room
from defectory.serving.scopes import OPEN_TO_ALL
from defectory.serving.status import to_status
from defectory.serving.tokens import Tokens

LOOK_S = 0.5  # between looks for calls that have been silent for too long
RETRY_S = 0.5  # for who finds every place taken
HEALTH, STREAMS = 8, 64  # places; every stream that is open has one, a check of health only until it is answered


class Door(grpc.ServerInterceptor):
    """The outermost interceptor: takes calls in, or refuses them without a thread and before their message is there.

    Args:
        tokens: what callers must bring; None: nothing.
        calls: unary calls inside at once, beside those for health.
        silent_s: how long a caller may owe his message.
    """

    def __init__(self, tokens: Tokens | None, calls: int, silent_s: float) -> None:
        self._tokens = tokens
        self._calls = Room("call", calls, silent_s)
        self._health = Room("health", HEALTH, silent_s)
        self._watches = Room("watch", STREAMS, silent_s)  # of health: strangers may, and leave other streams theirs
        self._streams = Room("stream", STREAMS, silent_s)
        self._rooms = (self._calls, self._health, self._watches, self._streams)
        self._closed = threading.Event()
        threading.Thread(target=self._look, name="door", daemon=True).start()

    @property
    def threads(self) -> ThreadPoolExecutor:
        """The server's pool."""
        return self._calls.threads

    def intercept_service(self, continuation: Continuation, details: Any) -> grpc.RpcMethodHandler | None:
        """Take the call in, in a room of its kind; or refuse it."""
        handler, method = continuation(details), details.method
        if handler is None:
            return None
        try:
            self._check(details)
        except Refused as error:
            return _refusing(method, error)
        room = self._room(handler, method)
        place = room.enter(method)
        if place is None:
            full = Exhausted(f"all {room.places} calls that may be inside are: try again", retry_after_s=RETRY_S)
            return _refusing(method, full)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                _stream(handler, room, place), None, handler.response_serializer
            )
        return grpc.stream_unary_rpc_method_handler(_unary(handler, room, place), None, handler.response_serializer)

    def close(self, timeout_s: float) -> bool:
        """Whether every call has ended, waiting for that so long."""
        self._closed.set()
        limit = time.monotonic() + timeout_s
        while not (empty := all(room.is_empty() for room in self._rooms)) and time.monotonic() < limit:
            time.sleep(0.05)
        return empty

    def _check(self, details: Any) -> None:
        """Refused where the caller may not make this call."""
        if self._tokens is not None:
            sent = next((value for key, value in details.invocation_metadata if key == "authorization"), "")
            self._tokens.check(details.method, sent if isinstance(sent, str) else "")

    def _room(self, handler: grpc.RpcMethodHandler, method: str) -> Room:
        if method.startswith(OPEN_TO_ALL):
            return self._watches if handler.response_streaming else self._health
        return self._streams if handler.response_streaming else self._calls

    def _look(self) -> None:
        while not self._closed.wait(LOOK_S):
            if self._tokens is not None:
                self._tokens.reload()
            for room in self._rooms:
                room.end_silent()


class _AtOnce(ThreadPoolExecutor):
    """Runs what it is given in the thread that gives it; what gRPC runs so must not wait."""

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Run it."""
        future: Future[Any] = Future()
        future.set_result(task(*arguments, **named))
        return future


AT_ONCE = _AtOnce(1)


def _in(threads: ThreadPoolExecutor, behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """The behaviour, for gRPC to run in these threads and not in the server's."""
    behaviour.experimental_thread_pool = threads  # type: ignore[attr-defined]
    return behaviour


def _refusing(method: str, error: DefectoryError) -> grpc.RpcMethodHandler:
    """Answers so at once. It is of the kind that takes a stream, since gRPC would wait for the message of another."""

    status: Any = rpc_status.to_status(to_status(error))

    def refuse(_messages: Any, context: grpc.ServicerContext) -> Any:
        metrics.CALLS.labels(method, status.code.name).inc()
        metrics.CALL_SECONDS.labels(method).observe(0)
        context.abort_with_status(status)

    return grpc.stream_unary_rpc_method_handler(_in(AT_ONCE, refuse))


def _unary(handler: grpc.RpcMethodHandler, room: Room, place: Place) -> Callable[..., Any]:
    """The call as one that takes a stream: so it is begun before its message is there, and it is ours how to wait."""
    inner: Any = handler.unary_unary

    def answer(messages: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        try:
            with room.silent(place, context):
                message = next(messages, None)
            if place.lost:  # in the moment in which the message came
                context.abort(grpc.StatusCode.CANCELLED, "the message came too late")
            if message is None:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "the call has one message, and none came")
            return inner(message, context)
        finally:
            room.leave(place)

    return _in(room.threads, answer)


def _stream(handler: grpc.RpcMethodHandler, room: Room, place: Place) -> Callable[..., Any]:
    """The stream, whose caller is waited for all the while that it is open; but for one message and many answers."""

    def heard(messages: Iterator[bytes]) -> Iterator[bytes]:
        for message in messages:
            place.hear()
            yield message

    def answers(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            if handler.stream_stream is not None:
                with room.silent(place, context):
                    yield from handler.stream_stream(heard(messages), context)
                return
            with room.silent(place, context):
                message = next(messages, None)
            if message is not None and not place.lost:
                inner: Any = handler.unary_stream
                yield from inner(message, context)
        except DefectoryError as error:
            context.abort_with_status(rpc_status.to_status(to_status(error)))
        finally:
            room.leave(place)

    return _in(room.threads, answers)
