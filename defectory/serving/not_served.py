"""Calls that a service knows and, as it was started, leaves to another process: refused with who does serve them."""

from collections.abc import Mapping
from typing import Any

import grpc

from defectory.errors import NotServed
from defectory.serving.interceptors import Continuation


class NotServedInterceptor(grpc.ServerInterceptor):
    """Refuses calls, before their message is parsed.

    Args:
        instead: full name of a gRPC service, or path of one call ("/package.Service/Call") -> a sentence that says what
            this process does not do, and who does.
    """

    def __init__(self, instead: Mapping[str, str]) -> None:
        self._instead = instead

    def intercept_service(self, continuation: Continuation, details: Any) -> grpc.RpcMethodHandler | None:
        """Refuse the call, or pass it on as it is."""
        service = details.method.strip("/").partition("/")[0]
        instead = self._instead.get(details.method) or self._instead.get(service)
        if not instead:
            return continuation(details)

        def refuse(_message: bytes, _context: grpc.ServicerContext) -> None:
            raise NotServed(instead)

        return grpc.unary_unary_rpc_method_handler(refuse)
