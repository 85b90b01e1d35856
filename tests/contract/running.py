"""Starts services as processes of their own, as a machine does."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

import grpc

from defectory.serving.channel import open_channel

ROOT = Path(__file__).parents[2]
STOPS_S = 120  # then it is killed: one that hangs must not hold up the tests behind it


class Service:
    """A running service; `with Service("services.filter", store.url) as service: service.channel …`."""

    def __init__(
        self,
        module: str,
        store_url: str,
        *flags: str,
        environ: Mapping[str, str] | None = None,
        log: IO[str] | None = None,
    ) -> None:
        command = [sys.executable, "-m", module, "--store", store_url, "--port", "0", "--metrics-port", "0", *flags]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, env={**os.environ, **(environ or {})}
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{module} did not start: exit code {self.process.wait()}"
        self.said = json.loads(line)
        self.address: str = self.said["listening"]
        self._channel: grpc.Channel | None = None

    @property
    def channel(self) -> grpc.Channel:
        """A channel to it."""
        if self._channel is None:
            self._channel = open_channel(self.address)
        return self._channel

    def metrics(self) -> dict[str, float]:
        """What its page of metrics says: a series by name and labels -> its value."""
        host = self.address.rpartition(":")[0]
        url = f"http://{host}:{self.said['metrics_port']}/metrics"
        lines = urllib.request.urlopen(url).read().decode().splitlines()
        return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if not x.startswith("#"))}

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._channel is not None:
            self._channel.close()
        self.process.terminate()
        try:
            self.process.wait(STOPS_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
