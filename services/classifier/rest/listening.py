"""Where the REST door listens: cheroot's server, with the bounds and the certificate of the other door."""

import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from defectory.errors import InvalidInput
from defectory.serving.listening import MAX_METADATA_BYTES
from services.classifier.service_settings import ClassifierSettings

THREADS = 32  # requests at work at once; a connection without one takes none
QUEUE = 64  # connections whose request has come and waits for a thread
CLOSE_S = 5


class RestDoor:
    """Serves a WSGI application from threads of its own.

    Raises:
        InvalidInput: the address is taken, or a PEM file cannot be read.
    """

    def __init__(self, settings: ClassifierSettings, application: Callable[..., Iterable[bytes]]) -> None:
        wait_s = max(1, round(settings.message_s))  # cheroot counts whole seconds
        self._server = wsgi.Server(
            (settings.host, settings.rest_port), application, numthreads=THREADS, max=THREADS, request_queue_size=QUEUE,
            accepted_queue_size=QUEUE, accepted_queue_timeout=wait_s, timeout=wait_s, shutdown_timeout=CLOSE_S,
            server_name="defectory",
        )  # fmt: skip
        self._server.max_request_header_size = MAX_METADATA_BYTES
        self._server.max_request_body_size = settings.max_message_mb << 20
        try:
            if settings.tls_cert:
                self._server.ssl_adapter = _Renewed(settings)
            self._server.prepare()
        except OSError as error:
            right = "choose another REST port, or stop what holds it"
            where = f"{settings.host}:{settings.rest_port}"
            raise InvalidInput(f"cannot serve REST on {where}: {error}; {right}", {"rest_port": right}) from error
        threading.Thread(target=self._server.serve, name="rest", daemon=True).start()

    def close(self) -> None:
        """Let go of the port; requests at work end."""
        self._server.stop()


class _Renewed(BuiltinSSLAdapter):
    """The certificate, read again at the next connection after its files have changed."""

    def __init__(self, settings: ClassifierSettings) -> None:
        self._files = [settings.tls_cert, settings.tls_key]
        self._seen = self._stamps()
        super().__init__(settings.tls_cert, settings.tls_key)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_client_ca:
            self.context.load_verify_locations(settings.tls_client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED

    def wrap(self, sock: Any) -> Any:
        """A connection's own socket. The handshake is left to the thread that reads: cheroot's own way would have one
        who connects and says nothing keep all others waiting.
        """
        if (now := self._stamps()) != self._seen:
            self._seen = now
            self.context.load_cert_chain(*self._files)
        own = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return own, {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def _stamps(self) -> list[int]:
        return [Path(file).stat().st_mtime_ns for file in self._files]
