"""What many tests need: real stores, a real S3 server, the shared data."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from defectory.storage import ObjectStore, open_store
from defectory.storage.timed import TimedStore
from tests.s3_servers import CREDENTIALS, moto, seaweedfs

# Tests run beside others' processes and start processes of their own: threads that spin while they wait would take the
# cores from them (docs/decisions/0002-waiting-threads-sleep.md). Read when torch is loaded, so before any test is.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

# An example may take as long as it takes, and so may its making.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server in a process of its own (moto's), with credentials in the environment."""
    with moto() as port, pytest.MonkeyPatch.context() as patch:
        endpoint = f"http://127.0.0.1:{port}"
        for name, value in {**CREDENTIALS, "DEFECTORY_S3_ENDPOINT": endpoint}.items():
            patch.setenv(name, value)
        yield endpoint


@pytest.fixture(scope="session")
def seaweedfs_environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """SeaweedFS in a process of its own: the variables by which its store is opened."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as endpoint:
        yield {**CREDENTIALS, "DEFECTORY_S3_ENDPOINT": endpoint}


@pytest.fixture
def s3_url(s3_endpoint: str) -> str:
    """The URL of a bucket of this test's own on the S3 server; the environment knows endpoint and credentials."""
    return f"s3://test-{uuid.uuid4().hex[:16]}/line"


@pytest.fixture(params=["folder", "s3", "seaweedfs", "memory", "timed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Every kind of store in turn: one behaviour."""
    if request.param == "s3":
        return open_store(request.getfixturevalue("s3_url"))
    if request.param == "seaweedfs":
        return open_store(f"s3://tests/{uuid.uuid4().hex}", request.getfixturevalue("seaweedfs_environ"))
    if request.param == "timed":
        return TimedStore(open_store(f"file://{tmp_path}/store"))
    return open_store(f"file://{tmp_path}/store" if request.param == "folder" else "memory://")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("DEFECTORY_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data at {folder} (DEFECTORY_SHARED)")
    return folder
