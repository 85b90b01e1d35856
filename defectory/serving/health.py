"""grpc.health.v1.Health with all its calls: the package leaves List to UNIMPLEMENTED, and a traceback in the log."""

import grpc
from grpc_health.v1 import health, health_pb2


class HealthServicer(health.HealthServicer):
    """Health of every gRPC service of a server, one by one and all together."""

    def __init__(self) -> None:
        # A watcher's own thread sends what it watches, so that one who takes nothing keeps no other waiting.
        super().__init__(experimental_non_blocking=False)
        self._names = {""}  # the server as a whole

    def set(self, service: str, status: int) -> None:
        """Say how a service is."""
        super().set(service, status)
        self._names.add(service)

    def List(
        self, request: health_pb2.HealthListRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthListResponse:
        """How each service is, by name."""
        asked = {name: health_pb2.HealthCheckRequest(service=name) for name in tuple(self._names)}
        return health_pb2.HealthListResponse(statuses={n: self.Check(request, context) for n, request in asked.items()})
