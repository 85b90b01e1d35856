"""Where and how a server listens: its connections' limits, its certificate, and a port for health alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc

from defectory.errors import InvalidInput
from defectory.serving.channel import read_pem
from defectory.serving.door import HEALTH, Door
from defectory.serving.health import HealthServicer
from defectory.serving.interceptors import CallInterceptor
from defectory.serving.parsing import ParsingInterceptor
from defectory.settings import ServiceSettings

IDLE_S, HANDSHAKE_S = 300, 10  # of a connection without a call; until a connection says what it speaks
AGE_GRACE_S = 120  # for the calls of a connection that has become too old
MAX_METADATA_BYTES = 16 << 10  # of a call: our own callers send a token and what traces need, 1 KiB together
TLS_FILES = ("tls_cert", "tls_key", "tls_client_ca")

log = structlog.get_logger(__name__)


def connection_options(settings: ServiceSettings) -> list[tuple[str, int]]:
    """How many connections there may be, how long, and how much one of them may hold."""
    options = [
        ("grpc.max_allowed_incoming_connections", settings.connections),
        ("grpc.max_concurrent_streams", settings.streams),
        ("grpc.max_connection_idle_ms", IDLE_S * 1000),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
    ]
    if settings.connection_s:
        options += [("grpc.max_connection_age_ms", settings.connection_s * 1000)]
        options += [("grpc.max_connection_age_grace_ms", AGE_GRACE_S * 1000)]
    return options


def transport_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """How a server's connections are set."""
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),  # between the two, calls would be refused by chance
        ("grpc.so_reuseport", 0),  # a taken port is an error, not a silent second server
        # An image comes in few frames and without waiting for the window to be opened again (docs/decisions/0009).
        ("grpc.http2.max_frame_size", 1 << 20),
        ("grpc.http2.lookahead_bytes", 4 << 20),
        ("grpc.http2.bdp_probe", 0),  # it would measure its way to such a window, with pings all along
    ]


def listen(server: grpc.Server, settings: ServiceSettings) -> int:
    """Give a server its port, encrypted where the settings name a certificate; the port.

    Raises:
        InvalidInput: the address is taken, or a PEM file cannot be read.
    """
    address = f"{settings.host}:{settings.port}"
    credentials = credentials_of(settings) if settings.tls_cert else None
    try:
        port: int = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        return port
    except RuntimeError as error:
        right = "choose another port, or stop what holds it"
        raise InvalidInput(f"cannot listen on {address}: {error}; {right}", {"port": right}) from error


def credentials_of(settings: ServiceSettings) -> grpc.ServerCredentials:
    """The certificate of the settings; who renews its files needs no restart. Connections that are open stay open."""
    asks = bool(settings.tls_client_ca)
    return grpc.dynamic_ssl_server_credentials(_read_pair(settings), _renewed(settings), asks)


def _read_pair(settings: ServiceSettings) -> Any:
    key, certificate = read_pem("tls_key", settings.tls_key), read_pem("tls_cert", settings.tls_cert)
    ca = read_pem("tls_client_ca", settings.tls_client_ca) if settings.tls_client_ca else None
    return grpc.ssl_server_certificate_configuration([(key, certificate)], ca)


def _renewed(settings: ServiceSettings) -> Callable[[], Any]:
    """What gRPC asks at every handshake: the certificate where its files are others than last time, else None."""
    paths = [path for name in TLS_FILES if (path := getattr(settings, name))]

    def stamps() -> list[tuple[int, int]]:
        return [(about.st_mtime_ns, about.st_ino) for about in (Path(path).stat() for path in paths)]

    seen = stamps()

    def fetch() -> Any:
        nonlocal seen
        try:
            if (now := stamps()) == seen:
                return None
            seen, pair = now, _read_pair(settings)
        except (OSError, InvalidInput) as error:
            log.error("the certificate stays as it was", error=str(error))
            return None
        log.info("certificate read again", tls_cert=settings.tls_cert)
        return pair

    return fetch


class HealthPort(NamedTuple):
    """A server of its own, and who lets calls in."""

    server: grpc.Server
    door: Door


def serve_health(settings: ServiceSettings, healths: HealthServicer) -> HealthPort | None:
    """Answer health, and nothing else, in plaintext on a port of its own; None where the settings name no port.

    A kubelet's probe speaks no TLS, or shows no certificate: this is its door when the other one asks for both.

    Raises:
        InvalidInput: the address is taken.
    """
    if not settings.health_port:
        return None
    door = Door(None, HEALTH, settings.message_s)
    server = grpc.server(
        door.threads,
        interceptors=[door, CallInterceptor(), ParsingInterceptor()],
        options=[*transport_options(1 << 16), *connection_options(settings)],
    )
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    address = f"{settings.host}:{settings.health_port}"
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        right = "choose another health port, or stop what holds it"
        raise InvalidInput(f"cannot listen on {address}: {error}; {right}", {"health_port": right}) from error
    server.start()
    return HealthPort(server, door)
