"""A review's server for tests: the real one, in a thread of this process, and a browser's side of HTTP."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from defectory.datasets.manifest import DEFAULT_READING
from defectory.errors import Unavailable
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.clients import Services
from orchestrator.review.access import Sessions
from orchestrator.review.server import ReviewServer
from orchestrator.review.serving import Address, listen, server_config
from orchestrator.review.subject import read_subject

TOKEN = "a-token-for-tests-only"


class Browser:
    """What a page of this server sends: its cookie, and its own origin."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.cookie = ""
        self.generation = ""

    def send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, content) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        own = {"Host": self.host, "Cookie": self.cookie}
        own |= {"Origin": f"http://{self.host}"} if method == "POST" else {}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, content, {**own, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, _, content = self.send("GET", path)
        assert status == 200, content
        return json.loads(content)

    def post(self, path: str, body: object) -> Any:
        status, _, content = self.send("POST", path, body)
        assert status == 200, content
        return json.loads(content)

    def sign_in(self, name: str, token: str = TOKEN) -> "Browser":
        status, headers, content = self.send("POST", "/api/session", {"token": token, "name": name})
        assert status == 200, content
        self.cookie = headers["set-cookie"].partition(";")[0]
        self.generation = self.get("/api/subject")["generation"]
        return self

    def decide(self, *changes: tuple[int, int, int], batch: str) -> Any:
        return self.post("/api/decisions", {"generation": self.generation, "batch": batch, "changes": changes})


def no_services() -> Services:
    raise Unavailable("there is no explainer here")


@contextmanager
def served(store: ObjectStore, name: str, *, allowed: tuple[str, ...] = (), as_dataset: bool = False) -> Iterator[int]:
    """The port of a server of this name."""
    address = Address("127.0.0.1", 0, allowed, TOKEN)
    listening = listen(address)
    port = listening.getsockname()[1]
    subject = read_subject(store, name, DEFAULT_READING, as_dataset=as_dataset)
    server = ReviewServer(store, subject, Sessions(TOKEN, port), no_services)
    running = uvicorn.Server(server_config(server, address, port))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield port
    finally:
        running.should_exit = True
        thread.join()
        server.close()
        listening.close()
