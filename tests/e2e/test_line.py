"""The whole line from the command line, over real gRPC services: on a real S3 server, and through kills."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from defectory.datasets.manifest import content_hash, read_manifest
from defectory.storage import ObjectStore, open_store
from orchestrator.cables import write_cables

DEFECTORY = [sys.executable, "-m", "orchestrator.cli.main"]
ROOT = Path(__file__).parents[2]
LINE = {
    "name": "line",
    "data": {"size_px": 32},
    "generator": {"channel_base": 256, "channel_max": 16, "latent_dim": 16, "kimg": 0.16, "batch": 8,
                  "snapshot_kimg": 0.04},
    "synthesis": {"quota": 6, "surplus": 1.5, "max_rounds": 2},
    "filter": {"policy": "none", "novelty_gate": True},
    "classifier": {"width_multiplier": 0.35, "head_units": 16, "epochs": 2, "learning_rate": 0.001, "batch": 16,
                   "cycles": 2, "initial_weights": "random"},
    "explain": {"limit": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    write_cables(folder / "cables", 24, 24, 0, size_px=64)
    (folder / "cables/test/broken").mkdir()
    (folder / "cables/test/broken/text.png").write_text("no image")
    (folder / "cables/test/broken/empty.png").write_bytes(b"")
    file = folder / "line.yaml"
    file.write_text(yaml.safe_dump({**LINE, "data": {**LINE["data"], "directory": "cables"}}))
    return file


def command(*arguments: str, store: str) -> list[str]:
    return [*DEFECTORY, *arguments, "--store", store, "--json"]


def run(pipeline: Path, store: str) -> dict:
    done = subprocess.run(command("run", str(pipeline), store=store), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def result(store: ObjectStore) -> dict:
    """What must not depend on where the run was stored or how often it was interrupted."""
    outputs = {
        step: json.loads(store.get(f"runs/line/steps/{step}.json"))["outputs"]
        for step in ("ingest", "baseline", "generators", "filter", "expanded-dataset", "expanded", "report")
    }
    return {
        "ingest": outputs["ingest"]["content_hash"],
        "baseline": outputs["baseline"]["weights_sha256"],
        "generators": {label: made["weights_sha256"] for label, made in outputs["generators"].items()},
        "accepted": {label: made["accepted"] for label, made in outputs["filter"].items()},
        "synthetic": content_hash(read_manifest(store, outputs["expanded-dataset"]["manifest_uri"])),
        "expanded": outputs["expanded"]["weights_sha256"],
        "summary": outputs["report"]["summary"],
    }


@pytest.fixture(scope="module")
def undisturbed(pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, ObjectStore]:
    store = open_store(f"file://{tmp_path_factory.mktemp('undisturbed')}/store")
    run(pipeline, store.url)
    return result(store), store


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


@pytest.mark.slow
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


@pytest.mark.slow
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
