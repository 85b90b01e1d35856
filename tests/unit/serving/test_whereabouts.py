"""Commands find this user's living servers on this machine, and nobody else's and no dead one's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from defectory.serving.whereabouts import find, folder, left
from tests.contract.running import ROOT

STORE = "file:///srv/store"
SERVER = """
import sys
from defectory.serving.whereabouts import left
with left("classifier", sys.argv[1], 50052, sys.argv[2]):
    print("left", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def server(environ: dict[str, str], host: str = "127.0.0.1", store: str = STORE) -> Iterator[subprocess.Popen[str]]:
    """A process that leaves its whereabouts until it ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, host, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, **environ},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "left\n"
    with process:
        yield process


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    tmp_path.chmod(0o700)
    return {"XDG_RUNTIME_DIR": str(tmp_path)}


def test_a_server_is_found_while_it_lives(environ: dict[str, str]) -> None:
    assert find("classifier", STORE, environ) == []
    with server(environ, "0.0.0.0"):
        assert find("classifier", STORE, environ) == ["127.0.0.1:50052"]
        assert find("classifier", f"{STORE}/../store/", environ) == ["127.0.0.1:50052"]
        assert find("classifier", "file:///srv/other", environ) == []
        assert find("explainer", STORE, environ) == []
        (file,) = folder(environ).iterdir()
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert find("classifier", STORE, environ) == []
    assert list(folder(environ).iterdir()) == []


def test_a_killed_server_is_not_found_although_its_file_is_there(environ: dict[str, str]) -> None:
    with server(environ) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(list(folder(environ).iterdir())) == 1
        assert find("classifier", STORE, environ) == []
        assert list(folder(environ).iterdir()) == []


def test_a_server_on_another_s3_server_is_another(environ: dict[str, str]) -> None:
    here, there = {"DEFECTORY_S3_ENDPOINT": "http://here:9000"}, {"DEFECTORY_S3_ENDPOINT": "http://there:9000"}
    with server(environ | here, store="s3://factory/line"):
        assert find("classifier", "s3://factory/line/", environ | here) == ["127.0.0.1:50052"]
        assert find("classifier", "s3://factory/line", environ | there) == []


def test_what_others_could_have_written_is_not_believed(environ: dict[str, str], tmp_path: Path) -> None:
    with server(environ):
        folder(environ).chmod(0o770)
        assert find("classifier", STORE, environ) == []
        folder(environ).chmod(0o700)
        (file,) = folder(environ).iterdir()
        file.chmod(0o620)
        assert find("classifier", STORE, environ) == []
        file.chmod(0o600)
        file.rename(tmp_path / "elsewhere.json")
        file.symlink_to(tmp_path / "elsewhere.json")
        assert find("classifier", STORE, environ) == []


def test_another_version_of_the_software_is_not_asked(environ: dict[str, str]) -> None:
    with server(environ):
        (file,) = folder(environ).iterdir()
        with file.open("r+") as content:  # the lock is the server's, whoever writes
            said = json.load(content) | {"version": "0.0.1"}
            content.seek(0)
            content.write(json.dumps(said))
            content.truncate()
        assert find("classifier", STORE, environ) == []


def test_a_server_that_cannot_leave_a_file_serves_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "defectory").write_text("no folder")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with left("classifier", "127.0.0.1", 1, STORE):
        assert find("classifier", STORE) == []
