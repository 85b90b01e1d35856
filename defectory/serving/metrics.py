"""Prometheus metrics that every service has, and the page they are read from."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

CALLS = Counter("defectory_grpc_calls_total", "Calls finished.", ["method", "code"])
CALL_SECONDS = Histogram(
    "defectory_grpc_call_seconds", "Time from a call's arrival to its answer.", ["method"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)  # fmt: skip
OPERATIONS = Counter("defectory_operations_total", "Operations that ended, by how.", ["job", "state"])
OPERATIONS_RUNNING = Gauge("defectory_operations_running", "Operations in a worker now.", ["job"])
WORKER_RESTARTS = Counter("defectory_worker_restarts_total", "Workers that died and were started again.", ["job"])


def serve_metrics(host: str, port: int) -> int:
    """Serve `/metrics` from a thread and return its port (any free one for 0)."""
    server, _ = start_http_server(port, addr=host)
    return int(server.server_port)
