"""A gRPC server that answers without looking: what the protocol alone costs. `python -m bench.echo PORT`."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from defectory.serving.listening import transport_options

ANSWER = bytes(64)  # about as long as a decision


class Echo(grpc.GenericRpcHandler):
    """Every method answers the same, unread."""

    def service(self, details: Any) -> grpc.RpcMethodHandler:
        """Whatever was called."""
        answer: Callable[..., bytes] = lambda request, context: ANSWER  # noqa: E731
        return grpc.unary_unary_rpc_method_handler(answer)


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(64), handlers=(Echo(),), options=transport_options(64 << 20))
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()
