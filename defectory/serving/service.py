"""Starts a service: settings, store, operations, health, reflection, metrics, TLS, token; drains on SIGTERM."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic

import grpc
import structlog
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import add_OperationsServicer_to_server
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from defectory.errors import DefectoryError, InvalidInput
from defectory.exit_codes import exit_code
from defectory.serving.channel import read_pem
from defectory.serving.door import Door
from defectory.serving.health import HealthServicer
from defectory.serving.interceptors import CallInterceptor, TurnInterceptor
from defectory.serving.logs import configure_logs
from defectory.serving.manifests import SETTING, Manifests
from defectory.serving.metrics import serve_metrics
from defectory.serving.not_served import NotServedInterceptor
from defectory.serving.operations.nursery import Nursery
from defectory.serving.operations.runner import Runner, Workplace
from defectory.serving.operations.servicer import OperationsServicer
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.serving.parsing import ParsingInterceptor
from defectory.serving.readiness import Readiness
from defectory.serving.token import Token
from defectory.serving.tracing import tracing_interceptors
from defectory.serving.whereabouts import left
from defectory.settings import ServiceSettings, Settings, read_settings
from defectory.storage import ObjectStore
from defectory.storage.check import open_checked

THREADS = 16  # calls at work at once; longer work runs in workers
WAITING = 256  # calls that wait for their message or their turn, where the setting does not say how many
IDLE_S, HANDSHAKE_S = 300, 10  # of a connection without a call; until a connection says what it speaks
LOOK_S = 1.0  # between two looks whether a signal came
OPERATIONS: str = operations_pb2.DESCRIPTOR.services_by_name["Operations"].full_name
LEAVE_S = 3.0  # for calls' threads to see that their callers have been sent away

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ServiceContext(Generic[Settings]):
    """What a service gets to work with."""

    store: ObjectStore
    operations: OperationSupervisor
    settings: Settings
    manifests: Manifests  # how its calls read them
    set_serving: Callable[[str, bool], None]  # health of one gRPC service, for those that are not ready at once


@dataclass(frozen=True)
class ServiceDefinition(Generic[Settings]):
    """A service: its name, its settings, the file descriptor of its proto.

    Attributes:
        add: adds its servicers to a server and returns what is to be closed at the end.
        runner: where the work of its operations is done.
        not_served: gRPC services and calls that, by its settings, another process serves (see NotServedInterceptor).
    """

    name: str
    settings: type[Settings]
    descriptor: Any  # module-level DESCRIPTOR of the generated _pb2
    add: Callable[[grpc.Server, ServiceContext[Settings]], Callable[[], None] | None]
    more: tuple[Any, ...] = ()  # descriptors of further protos
    threads: Callable[[Settings], int] = lambda _: THREADS  # calls at work at once
    runner: Callable[[Workplace], Runner] = Nursery
    not_served: Callable[[Settings], Mapping[str, str]] = lambda _: {}


def run_service(definition: ServiceDefinition[Settings], arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code.

    When the service is ready to answer, one JSON line goes to standard output:
    `{"service": …, "listening": "host:port", "metrics_port": …, "ready": true}`.
    With `--schema` the line is the JSON Schema of the settings, and nothing is served.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if list(given) == ["--schema"]:
        sys.stdout.write(json.dumps(definition.settings.model_json_schema()) + "\n")
        return 0
    try:
        settings = read_settings(definition.name, definition.settings, given, os.environ)
        configure_logs(definition.name, settings.log_format)
        store = open_checked(settings.store)
        return _serve(definition, settings, store)
    except DefectoryError as error:
        sys.stderr.write(f"{definition.name}: {error}\n")
        return exit_code(error)


def _serve(definition: ServiceDefinition[Settings], settings: Settings, store: ObjectStore) -> int:
    stop, readiness = threading.Event(), Readiness(HealthServicer())

    def leave(*_: object) -> None:
        stop.set()
        readiness.ready.set()  # nobody waits for it any longer

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    own = definition.settings.model_fields.keys() - ServiceSettings.model_fields.keys()
    workplace = Workplace(definition.name, store.url, {name: str(getattr(settings, name)) for name in (*own, SETTING)})
    operations = OperationSupervisor(store, definition.name, definition.runner(workplace), settings.workers)
    door = _make_door(definition, settings)
    server = _make_server(definition, settings, door)
    manifests = Manifests(settings.max_manifest_lines)
    close = definition.add(server, ServiceContext(store, operations, settings, manifests, readiness.set_serving))
    add_OperationsServicer_to_server(OperationsServicer(operations), server)
    names = _served(definition, settings)
    health_pb2_grpc.add_HealthServicer_to_server(readiness.healths, server)
    reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    port = _bind(server, settings)
    metrics_port = serve_metrics(settings.host, settings.metrics_port)
    server.start()
    if settings.resume == "always" and OPERATIONS in names:
        operations.resume_unfinished()
    readiness.started({"", *names})
    log.info("listening", address=f"{settings.host}:{port}", store=store.url)
    wait_until(readiness.ready)
    with _findable(definition.name, settings, port):
        if not stop.is_set():
            _say_ready(definition.name, settings.host, port, metrics_port)
        wait_until(stop)
    log.info("draining", seconds=settings.drain_s)
    readiness.healths.enter_graceful_shutdown()
    operations.shutdown(settings.drain_s)  # workers write their checkpoints and stop; the next start takes them up
    server.stop(settings.drain_s).wait()
    if close is not None:
        close()
    if not door.close(LEAVE_S):
        log.error("calls still at work are left off")
        sys.stdout.flush()
        os._exit(0)  # their threads would keep the process; nobody waits for them, and what was confirmed is stored
    return 0


def _say_ready(service: str, host: str, port: int, metrics_port: int) -> None:
    line = {"service": service, "listening": f"{host}:{port}", "metrics_port": metrics_port, "ready": True}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    log.info("serving", address=f"{host}:{port}")


def _findable(service: str, settings: ServiceSettings, port: int) -> AbstractContextManager[None]:
    """Let commands of this user find the server. One that asks who calls is for others, who know its address."""
    if settings.token or settings.tls_cert or settings.resume == "on-request":
        return nullcontext()
    return left(service, settings.host, port, settings.store)


def wait_until(stop: threading.Event) -> None:
    """Wait in the main thread for what a signal's handler sets.

    Python runs the handler in the main thread, which a signal does not wake where it comes between the last look for
    one and the wait itself: a wait without an end would then last for ever (CPython 3.11 to 3.13).
    """
    while not stop.wait(LOOK_S):
        pass


def _served(definition: ServiceDefinition[Settings], settings: Settings) -> list[str]:
    """Full names of the gRPC services that this process serves, beside health and reflection."""
    descriptors = (definition.descriptor, *definition.more)
    names = [s.full_name for descriptor in descriptors for s in descriptor.services_by_name.values()]
    not_served = definition.not_served(settings)
    return [name for name in (*names, OPERATIONS) if name not in not_served]


def _make_door(definition: ServiceDefinition[Settings], settings: Settings) -> Door:
    calls = settings.calls or definition.threads(settings) + WAITING
    return Door(Token(settings.token) if settings.token else None, calls, settings.message_s)


def _make_server(definition: ServiceDefinition[Settings], settings: Settings, door: Door) -> grpc.Server:
    interceptors: list[grpc.ServerInterceptor] = [
        door, *tracing_interceptors(definition.name, os.environ), CallInterceptor(),
        NotServedInterceptor(definition.not_served(settings)), TurnInterceptor(definition.threads(settings)),
        ParsingInterceptor(),
    ]  # fmt: skip
    options = [*transport_options(settings.max_message_mb << 20), *connection_options(settings)]
    return grpc.server(door.threads, interceptors=interceptors, options=options)


def connection_options(settings: ServiceSettings) -> list[tuple[str, int]]:
    """How many connections there may be, and how much one of them may hold."""
    return [
        ("grpc.max_allowed_incoming_connections", settings.connections),
        ("grpc.max_concurrent_streams", settings.streams),
        ("grpc.max_connection_idle_ms", IDLE_S * 1000),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
    ]


def transport_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """How a server's connections are set."""
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.so_reuseport", 0),  # a taken port is an error, not a silent second server
        # An image comes in few frames and without waiting for the window to be opened again (docs/decisions/0009).
        ("grpc.http2.max_frame_size", 1 << 20),
        ("grpc.http2.lookahead_bytes", 4 << 20),
        ("grpc.http2.bdp_probe", 0),  # it would measure its way to such a window, with pings all along
    ]


def _bind(server: grpc.Server, settings: ServiceSettings) -> int:
    address = f"{settings.host}:{settings.port}"
    credentials = None
    if settings.tls_cert:
        pair = (read_pem("tls_key", settings.tls_key), read_pem("tls_cert", settings.tls_cert))
        ca = read_pem("tls_client_ca", settings.tls_client_ca) if settings.tls_client_ca else None
        credentials = grpc.ssl_server_credentials([pair], ca, require_client_auth=ca is not None)
    try:
        port: int = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        return port
    except RuntimeError as error:
        right = "choose another port, or stop what holds it"
        raise InvalidInput(f"cannot listen on {address}: {error}; {right}", {"port": right}) from error
