"""Asks a service's health: `python -m defectory.serving.probe HOST:PORT [SERVICE]`; exit code 0 when it serves."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from defectory.serving.channel import from_environment


def is_serving(address: str, service: str = "", timeout_s: float = 3.0) -> bool:
    """Whether the service at `host:port` answers SERVING."""
    with from_environment(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    """Probe as the command line says."""
    if len(sys.argv) not in (2, 3):
        sys.stderr.write("usage: python -m defectory.serving.probe HOST:PORT [SERVICE]\n")
        return 2
    service = sys.argv[2] if len(sys.argv) == 3 else ""
    return 0 if is_serving(sys.argv[1], service) else 1


if __name__ == "__main__":
    sys.exit(main())
