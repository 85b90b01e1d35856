"""The whole line from the command line, over real gRPC services: on a real S3 server, and through kills."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from defectory.storage import ObjectStore, open_store
from tests.e2e.line import ROOT, command, result, run


def test_the_line_makes_a_report(undisturbed: tuple[dict, ObjectStore], pipeline: Path) -> None:
    _, store = undisturbed
    html = store.get("runs/line/report.html").decode()
    summary = json.loads(store.get("runs/line/steps/report.json"))["outputs"]["summary"]
    assert summary["verdict"] in html
    assert "empty.png" in html
    assert 'src="http' not in html
    ingest = json.loads(store.get("runs/line/steps/ingest.json"))["outputs"]
    assert {path for path, _ in ingest["skipped"]} == {"test/broken/text.png", "test/broken/empty.png"}
    again = run(pipeline, store.url)
    assert again["steps"]["ran"] == []


def test_on_a_real_s3_server_the_result_is_the_same(
    undisturbed: tuple[dict, ObjectStore], pipeline: Path, s3_url: str
) -> None:
    run(pipeline, s3_url)
    assert result(open_store(s3_url)) == undisturbed[0]


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_orchestrator_and_killed_service_end_in_the_same_result(
    undisturbed: tuple[dict, ObjectStore], pipeline: Path, tmp_path: Path
) -> None:
    store = open_store(f"file://{tmp_path}/store")
    first = subprocess.Popen(
        command("run", str(pipeline), store=store.url), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until(lambda: any("checkpoints" in x.key for x in store.list("models/generator/")) or first.poll() is not None)
    assert first.poll() is None, "the run ended before it could be killed"
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = subprocess.Popen(
        command("run", str(pipeline), store=store.url), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(lambda: bool(children(second.pid, "services.generator")) or second.poll() is not None)
    for service in children(second.pid, "services.generator"):
        os.kill(service, signal.SIGKILL)
    _, errors = second.communicate(timeout=500)
    assert second.returncode == 0, errors.decode()[-3000:]
    assert result(store) == undisturbed[0]


def children(parent: int, module: str) -> list[int]:
    """Processes below `parent` that run a module."""
    import psutil

    found = psutil.Process(parent).children(recursive=True) if psutil.pid_exists(parent) else []
    return [p.pid for p in found if p.is_running() and module in p.cmdline()]


def test_broken_input_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"
    (tmp_path / "empty").mkdir()
    (tmp_path / "one/good").mkdir(parents=True)
    Image.new("L", (32, 32)).save(tmp_path / "one/good/a.png")
    (tmp_path / "bad.yaml").write_text("data: {directory: x, size_px: 33}")
    for arguments, code, text in (
        (("ingest", str(tmp_path / "none"), "--name", "x"), 4, "does not exist"),
        (("ingest", str(tmp_path / "empty"), "--name", "x"), 3, ""),
        (("ingest", str(tmp_path / "one"), "--name", "x"), 3, "two labels"),
        (("ingest", str(tmp_path / "one"), "--name", "No Name"), 3, "name"),
        (("ingest", str(tmp_path / "one"), "--name", "x", "--fit", "melt"), 3, "stretch"),
        (("run", str(tmp_path / "bad.yaml")), 3, "size_px"),
        (("run", str(tmp_path / "none.yaml")), 4, "none.yaml"),
        (("report", "none"), 4, "none"),
    ):
        done = subprocess.run(command(*arguments, store=store), cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == code, (arguments, done.stderr)
        answer = json.loads(done.stdout)["error"]
        assert text in answer["message"]
        assert "Traceback" not in done.stderr
