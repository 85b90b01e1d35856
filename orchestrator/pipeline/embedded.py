"""The services as child processes on loopback: started when needed, watched, restarted, stopped with the parent."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar
from urllib.parse import unquote, urlsplit

from defectory.errors import Unavailable
from defectory.phases import phase
from defectory.ports import DEFAULT_PORTS
from orchestrator.pipeline.bytecode import with_bytecode

SERVICES = tuple(DEFAULT_PORTS)
Answer = TypeVar("Answer")
DEPENDS_ON: Mapping[str, tuple[str, ...]] = {"filter": ("classifier",)}  # who asks whom while it works
SERVING_TIMEOUT_S = 60.0  # of a service that is there, to say that it serves
START_TIMEOUT_S = 300.0  # importing a framework on a busy machine takes long
LOG_TAIL_LINES = 12
STOPPING = "stopping; a checkpoint is being written, for up to half a minute (once more stops without it)"


def log_folder(store_url: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the services' logs go: beside a folder store's objects, else in the user's cache."""
    parts = urlsplit(store_url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)) / "logs"
    cache = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "defectory" / "logs"


@dataclass
class _Child:
    process: subprocess.Popen[str]
    address: str = ""
    metrics_port: int = 0
    announced: threading.Event = field(default_factory=threading.Event)
    is_serving: bool = False  # it was seen to


class EmbeddedServices:
    """Addresses of the four services: from `DEFECTORY_<SERVICE>_ADDRESS`, else of children of this process.

    Any thread may ask. Children are started by one thread that lives as long as they do, since the kernel ties a child
    to the thread that has started it.

    Args:
        store_url: the store that they all work on.
        logs: folder of their log files.
        weights: ImageNet weights file for the classifier; empty: it looks for one.
        ports: service -> (gRPC port, metrics port); others take any free port.
        resume: when a service takes up unfinished operations; a run asks for its own.
        say: is told at once that a signal stops the children, which takes as long as a step of their work.
    """

    def __init__(
        self,
        store_url: str,
        logs: Path,
        *,
        weights: str = "",
        ports: Mapping[str, tuple[int, int]] | None = None,
        resume: str = "on-request",
        environ: Mapping[str, str] = os.environ,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._say = say
        self._store_url = store_url
        self._logs = logs
        self._weights = weights
        self._ports = dict(ports or {})
        self._resume = resume
        self._environ = with_bytecode(environ)
        self._children: dict[str, _Child] = {}
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="services")
        self._lock, self._closed = threading.Lock(), False  # of the children; no other is started any more

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, Exception) and self._children:
            self._say(STOPPING)
        self.close()

    def address(self, service: str) -> str:
        """`host:port` of the service, which is started if it must be."""
        if outside := self._address_outside(service):
            return outside
        child = self._children.get(service)
        if child is not None and child.is_serving:
            return child.address
        return self._by_starter(self._started_address, service)

    def revive(self, service: str) -> list[str]:
        """See that the service and those that it asks are serving; the names of those that had to be started again.

        Raises:
            Unavailable: one of them does not come back, or all are being stopped.
        """
        return self._by_starter(self._revived, service)

    def _by_starter(self, call: Callable[[str], Answer], service: str) -> Answer:
        """What a call returns that may start children; its time counts as that of who waits for it."""
        try:
            answer = self._starter.submit(copy_context().run, call, service)
        except RuntimeError as error:
            raise Unavailable(f"the {service} service is not to be had any more: all were stopped") from error
        return answer.result()

    def _started_address(self, service: str) -> str:
        if outside := self._address_outside(service):
            return outside
        if service not in self._children:
            self._start(service)
        return self._children[service].address

    def _revived(self, service: str) -> list[str]:
        revived = []
        for name in (*DEPENDS_ON.get(service, ()), service):
            child = self._children.get(name)
            if child is None:
                self._await_serving(name, self._started_address(name), None)
            elif not self._is_well(child):
                _stop(child.process, 0)
                del self._children[name]
                self._start(name)
                revived.append(name)
        return revived

    def _address_outside(self, service: str) -> str:
        """Of a service that is no child; empty: it is to be one."""
        return self._environ.get(f"DEFECTORY_{service.upper()}_ADDRESS", "")

    def status(self) -> list[tuple[str, str, int, int, bool]]:
        """(service, address, metrics port, process id, alive) of every child."""
        return [
            (name, c.address, c.metrics_port, c.process.pid, c.process.poll() is None)
            for name, c in self._children.items()
        ]

    def close(self) -> None:
        """Stop the children: ask all of them, then wait for each."""
        with self._lock:
            self._closed = True
            children = list(self._children.values())
        for child in children:
            if child.process.poll() is None:
                child.process.terminate()
        for child in children:
            _stop(child.process, self._stop_timeout_s())
        self._children.clear()
        self._starter.shutdown(wait=False, cancel_futures=True)  # last: with its thread they would be killed

    def _stop_timeout_s(self) -> float:
        """How long a child may take to stop."""
        from defectory.settings import ServiceSettings, stop_timeout_s

        def seconds(setting: str) -> float:
            given = self._environ.get(f"DEFECTORY_{setting.upper()}")
            return float(given or ServiceSettings.model_fields[setting].default)

        return stop_timeout_s(seconds("drain_s"), seconds("leave_s"))

    def _is_well(self, child: _Child) -> bool:
        """Alive and serving; a process that was just killed gets a moment to be noticed."""
        from defectory.serving.probe import is_serving

        try:
            child.process.wait(timeout=1)
            return False
        except subprocess.TimeoutExpired:
            return is_serving(child.address, timeout_s=10)

    @phase("starting")
    def _start(self, service: str) -> None:
        port, metrics_port = self._ports.get(service, (0, 0))
        arguments = ["--store", self._store_url, "--host", "127.0.0.1"]
        arguments += ["--port", str(port), "--metrics-port", str(metrics_port), "--resume", self._resume]
        for other in DEPENDS_ON.get(service, ()):
            arguments += [f"--{other}-address", self._started_address(other)]
        if service == "classifier" and self._resume == "on-request":
            arguments += ["--poll-s", "0"]  # a run asks for the models it has made; loading others would take its cores
            if not self._environ.get("DEFECTORY_ENGINE"):
                arguments += ["--engine", "onnxruntime"]  # the first to be ready, which is what counts for a few images
        if service == "classifier" and "explainer" in self._ports:
            arguments += ["--explainer-address", f"127.0.0.1:{self._ports['explainer'][0]}"]
        if service == "classifier" and self._weights:
            arguments += ["--weights", self._weights]
        self._logs.mkdir(parents=True, exist_ok=True)
        log_path = self._logs / f"{service}.log"
        with log_path.open("a", encoding="utf-8") as log:
            program = [sys.executable, "-m", f"services.{service}", *arguments]
            with self._lock:
                if self._closed:
                    raise Unavailable(f"the {service} service is not started any more: all are being stopped")
                process = subprocess.Popen(
                    [sys.executable, "-m", "orchestrator.pipeline.child", str(os.getpid()), *program],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                    start_new_session=True,  # Ctrl-C reaches this process alone, which then stops them in order
                    env=self._environ,
                )  # fmt: skip
                child = self._children[service] = _Child(process)
        threading.Thread(target=_read_announcement, args=(child, log_path), daemon=True).start()
        try:
            self._await_start(service, child, log_path)
        except BaseException:
            _stop(process, 0)
            self._children.pop(service, None)
            raise
        child.is_serving = True
        # A restarted service keeps its port, so that those that ask it find it again.
        self._ports[service] = (int(child.address.rpartition(":")[2]), child.metrics_port)

    def _await_start(self, service: str, child: _Child, log_path: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not child.announced.wait(0.1):
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"the {service} service did not start; its log {log_path} ends:\n{_tail(log_path)}")
        self._await_serving(service, child.address, child)

    def _await_serving(self, service: str, address: str, child: _Child | None) -> None:
        from defectory.serving.probe import is_serving

        deadline = time.monotonic() + SERVING_TIMEOUT_S
        while not is_serving(address):
            dead = child is not None and child.process.poll() is not None
            if dead or time.monotonic() > deadline:
                raise Unavailable(f"the {service} service at {address} is not serving; start it, or look into its log")
            time.sleep(0.2)


def _read_announcement(child: _Child, log_path: Path) -> None:
    """Take the service's address from its first line of output; what follows goes to its log."""
    stream: IO[str] | None = child.process.stdout
    if stream is None:
        return
    with stream, log_path.open("a", encoding="utf-8") as log:
        for line in stream:
            try:
                announcement = json.loads(line)
                child.address, child.metrics_port = announcement["listening"], announcement["metrics_port"]
                child.announced.set()
            except (ValueError, KeyError, TypeError):
                log.write(line)


def _stop(process: subprocess.Popen[str], timeout_s: float) -> None:
    try:
        process.wait(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:])
