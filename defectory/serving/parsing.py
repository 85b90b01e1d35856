"""From the bytes of a message to a request, in the thread of its call."""

from collections.abc import Callable
from functools import cache
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from defectory.errors import InvalidInput
from defectory.serving import wire
from defectory.serving.interceptors import Continuation


class ParsingInterceptor(grpc.ServerInterceptor):
    """Parses requests in the thread of their call, after their bounds were checked.

    gRPC parses in the one thread that receives every event: meanwhile no other call would hear anything.
    """

    def intercept_service(self, continuation: Continuation, details: Any) -> grpc.RpcMethodHandler | None:
        """Wrap every call, to take its messages as bytes."""
        handler = continuation(details)
        if handler is None:
            return None
        parsed = _parser(details.method)
        if handler.stream_stream is not None:
            stream = handler.stream_stream
            return grpc.stream_stream_rpc_method_handler(
                lambda messages, context: stream(map(parsed, messages), context), None, handler.response_serializer
            )
        inner: Any = handler.unary_unary or handler.unary_stream
        make = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(lambda data, context: inner(parsed(data), context), None, handler.response_serializer)


@cache
def _parser(method: str) -> Callable[[bytes], Message]:
    """From bytes to the request of a method, `/package.Service/Method`."""
    kind = descriptor_pool.Default().FindMethodByName(method.strip("/").replace("/", ".")).input_type
    message_class = message_factory.GetMessageClass(kind)

    def parsed(data: bytes) -> Message:
        wire.check(data, kind)
        try:
            return message_class.FromString(data)
        except DecodeError as error:
            raise InvalidInput(f"the message is no {kind.name}: {error}") from error

    return parsed
