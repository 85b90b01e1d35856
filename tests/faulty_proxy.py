"""A proxy before an S3 server, which does to some requests what networks and servers do: late, refused, cut, lost."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = ("transfer-encoding", "connection", "date", "server")


@dataclass(frozen=True)
class Fault:
    """What becomes of one request.

    Attributes:
        late_s: it is passed on after so many seconds.
        status: it is answered with this status, and never passed on; 0: it is passed on.
        lost: the server does what it was asked for, and the connection ends without its answer.
        cut: of the answer's body only the first half arrives.
        unheard: the connection ends before the server hears of it.
    """

    late_s: float = 0.0
    status: int = 0
    lost: bool = False
    cut: bool = False
    unheard: bool = False


WELL = Fault()
FaultOf = Callable[[str, str], Fault]  # method, path -> what becomes of the request


@contextmanager
def misbehaving(port: int, fault_of: FaultOf) -> Iterator[int]:
    """Before the server at the port of this machine. Gives a port; `fault_of` is asked by one thread at a time."""
    asking = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with asking:
                fault = fault_of(self.command, self.path)
            time.sleep(fault.late_s)
            if fault.unheard:
                self.close_connection = True
            elif fault.status:
                self.send_response(fault.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._pass_on(body, fault)

        do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815

        def _pass_on(self, body: bytes, fault: Fault) -> None:
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            if fault.lost:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.end_headers()
            cut = fault.cut and len(content) > 1
            self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = self.close_connection or cut

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that was killed ends its connections; that is what is tried here."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def losing_answers(port: int, method: str, count: int) -> Iterator[int]:
    """Before the server at the port; the first `count` answers to the method get lost. Gives a port."""
    left = [count]

    def fault_of(asked: str, path: str) -> Fault:
        if asked != method or not left[0]:
            return WELL
        left[0] -= 1
        return Fault(lost=True)

    with misbehaving(port, fault_of) as proxy:
        yield proxy
