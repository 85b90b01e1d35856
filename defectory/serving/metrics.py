"""Prometheus metrics that every service has, and the page they are read from."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from defectory.errors import InvalidInput

CALLS = Counter("defectory_grpc_calls_total", "Calls finished.", ["method", "code"])
CALL_SECONDS = Histogram(
    "defectory_grpc_call_seconds", "Time from a call's arrival to its answer.", ["method"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)  # fmt: skip
SILENT = Counter(
    "defectory_grpc_silent_calls_total",
    "Calls ended because their callers sent nothing: unary ones, and streams.",
    ["method"],
)
OPERATIONS = Counter("defectory_operations_total", "Operations that ended, by how.", ["job", "state"])
OPERATIONS_RUNNING = Gauge("defectory_operations_running", "Operations in a worker now.", ["job"])
WORKER_RESTARTS = Counter("defectory_worker_restarts_total", "Workers that died and were started again.", ["job"])


# What an alert may look at: a counter that first appears with 1 has not increased, as Prometheus sees it.
CODES = (
    "OK", "CANCELLED", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "INTERNAL",
    "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


def start_calls_at_0(methods: Iterable[str]) -> None:
    """Have the counters of calls from the start; `methods` are paths, "/package.Service/Call"."""
    for method in methods:
        SILENT.labels(method)
        for code in CODES:
            CALLS.labels(method, code)


def start_operations_at_0(job: str, ends: Iterable[str]) -> None:
    """Have a job's counters before the first of its operations ends, in one of these states."""
    WORKER_RESTARTS.labels(job)
    for state in ends:
        OPERATIONS.labels(job, state)


SILENT_S = 10.0  # for who connects and asks nothing; each holds a thread


def serve_metrics(host: str, port: int) -> int:
    """Serve `/metrics` from a thread and return its port (any free one for 0).

    Raises:
        InvalidInput: the address is taken, or none of this machine's.
    """
    try:
        server, _ = start_http_server(port, addr=host)
    except OSError as error:
        right = "choose another metrics port, or stop what holds it"
        why = error.strerror or error
        raise InvalidInput(f"cannot serve metrics on {host}:{port}: {why}; {right}", {"metrics_port": right}) from error
    handler: Any = server.RequestHandlerClass
    server.RequestHandlerClass = type("HandlerWithTimeout", (handler,), {"timeout": SILENT_S})
    return int(server.server_port)
