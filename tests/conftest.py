"""What many tests need: real stores, a real S3 server, the shared data."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from defectory.storage import ObjectStore, open_store

# Tests run beside others' processes and start processes of their own: threads that spin while they wait would take the
# cores from them (docs/decisions/0002-waiting-threads-sleep.md). Read when torch is loaded, so before any test is.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server in a process of its own (moto's), with credentials in the environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    environment = {
        "DEFECTORY_S3_ENDPOINT": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_REGION": "us-east-1",
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in environment}
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(endpoint, timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline or server.poll() is not None:
                    raise
                time.sleep(0.2)
        os.environ.update(environment)
        yield endpoint
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        server.kill()
        server.wait()


@pytest.fixture
def s3_url(s3_endpoint: str) -> str:
    """The URL of a bucket of this test's own on the S3 server; the environment knows endpoint and credentials."""
    return f"s3://test-{uuid.uuid4().hex[:16]}/line"


@pytest.fixture(params=["folder", "s3", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Every kind of store in turn: one behaviour."""
    if request.param == "s3":
        return open_store(request.getfixturevalue("s3_url"))
    return open_store(f"file://{tmp_path}/store" if request.param == "folder" else "memory://")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("DEFECTORY_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data at {folder} (DEFECTORY_SHARED)")
    return folder
