"""Starts the page's server on an address, and stops it."""

import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import uvicorn

from defectory.errors import InvalidInput, Unavailable
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.clients import Services
from orchestrator.review.access import Sessions
from orchestrator.review.server import ReviewServer
from orchestrator.review.subject import Subject

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LEAST_TOKEN = 16  # characters
MOST_REQUESTS = 500  # at once; a browser has six


@dataclass(frozen=True)
class Address:
    """Where the page is served, and to whom.

    Attributes:
        host: to listen on. port: 0: any free one.
        allowed: names by which browsers may call this server, beside those of loopback; with or without a port.
        token: that opens it. tls_cert, tls_key: PEM files; empty: no TLS.
    """

    host: str
    port: int
    allowed: tuple[str, ...]
    token: str
    tls_cert: str = ""
    tls_key: str = ""

    def __post_init__(self) -> None:
        if len(self.token) < LEAST_TOKEN or not self.token.isprintable() or not self.token.isascii():
            right = f"at least {LEAST_TOKEN} printable characters of ASCII"
            raise InvalidInput(
                f"DEFECTORY_REVIEW_TOKEN opens the page to whoever knows it: use {right}", {"token": right}
            )


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


def serve(
    store: ObjectStore,
    subject: Subject,
    address: Address,
    services: Callable[[], Services],
    ready: Callable[[str], None],
    ended: Callable[[dict[str, str]], None],
) -> None:
    """Serve the page until a signal stops the process, which is raised again at the end.

    Args:
        services: makes what reaches the explainer, see `heat.Heat`.
        ready: is told the address to open, with the token behind its '#', where no server and no log sees it.
        ended: is told dataset -> URI of the document of what was decided.

    Raises:
        Unavailable: the address cannot be listened on.
    """
    with listen(address) as listening:
        port = listening.getsockname()[1]
        server = ReviewServer(store, subject, Sessions(address.token, port), services)
        config = server_config(server, address, port)
        scheme = "https" if address.tls_cert else "http"
        shown = address.allowed[0] if address.allowed else f"127.0.0.1:{port}"
        ready(f"{scheme}://{shown}/#token={address.token}")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            server.close()
            ended(server.write_documents())


def server_config(server: ReviewServer, address: Address, port: int) -> uvicorn.Config:
    """How uvicorn serves it: HTTP alone, and no log of addresses."""
    return uvicorn.Config(
        server.app(_hosts(address.allowed, port)),
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_REQUESTS,
        timeout_graceful_shutdown=5,
        ssl_certfile=address.tls_cert or None,
        ssl_keyfile=address.tls_key or None,
    )


def listen(address: Address) -> socket.socket:
    """The socket of an address.

    Raises:
        Unavailable: it is taken, or none of this machine's.
    """
    try:
        listening = socket.create_server((address.host, address.port))
        # asyncio sets it on connections whose socket says that it is of TCP, which one of create_server does not: an
        # answer's body would wait 40 ms for the browser to acknowledge its head. Connections take it from here.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise Unavailable(
            f"the review page cannot listen on {address.host}:{address.port} ({error}): give another --port, or 0 for "
            "any free one"
        ) from error


def _hosts(allowed: Sequence[str], port: int) -> list[str]:
    """What browsers may say in `Host`: a browser leaves the usual port out."""
    own = [f"{name}:{port}" for name in LOOPBACK] + [name for name in LOOPBACK if port == 80]
    return own + [form for name in allowed for form in (name, f"{name}:{port}")]
