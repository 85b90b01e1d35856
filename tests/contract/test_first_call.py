"""From a start to the first answer: the line says when; a command finds the server, or needs none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.bundle import put_classifier
from defectory.serving.probe import is_serving
from defectory.serving.whereabouts import find
from defectory.storage import ObjectStore, open_store
from orchestrator.pipeline.run_record import RecordedPipeline, RunRecord
from tests.contract.running import ROOT, Service

MODELS = 3
# What takes long to import and has nothing to do with a question to a server: frameworks, pictures, storage elsewhere,
# drawing on terminals (which structlog imports, too).
HEAVY = {
    "PIL", "boto3", "cv2", "jinja2", "matplotlib", "minio", "numpy", "pygments", "rich", "scipy", "structlog",
    "tensorflow", "torch", "yaml",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/store")
    for number in range(MODELS):
        put_classifier(store, f"part-{number}", seed=number)
    return store


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir(mode=0o700)
    return {"XDG_RUNTIME_DIR": str(tmp_path / "run")}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "part.png")
    return tmp_path / "part.png"


def classify(store: ObjectStore, model: str, picture: Path, environ: dict[str, str], *more: str) -> dict[str, object]:
    """What the command says, in a process of its own."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "classifier", "classify", model, str(picture), "--json"]
    done = subprocess.run(
        [*command, "--store", store.url, *more], cwd=ROOT, env={**os.environ, **environ}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def imported(*arguments: str, **environ: str) -> set[str]:
    """Packages that a command imports from its start to its end."""
    command = [sys.executable, "-X", "importtime", "-m", "orchestrator.cli.main", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {name.partition(".")[0] for name in names}


def started_one(store: ObjectStore) -> bool:
    """Whether a command had to start a classifier of its own: such a one keeps its log in the store's folder."""
    return (Path(store.url.removeprefix("file://")) / "logs" / "classifier.log").exists()


def calls(service: Service) -> float:
    method = "/defectory.api.classifier.v1.ClassifierService/Classify"
    return sum(
        value
        for series, value in service.metrics().items()
        if series.startswith("defectory_grpc_calls_total") and method in series and "OK" in series
    )


def test_the_line_comes_when_every_model_is_loaded(store: ObjectStore, environ: dict[str, str]) -> None:
    with Service("services.classifier", store.url, environ=environ) as service:
        assert service.said["ready"] is True
        served = [series for series in service.metrics() if series.startswith("defectory_model_served")]
        assert len(served) == MODELS
        assert is_serving(service.address, "inference.GRPCInferenceService")


def test_a_command_asks_the_server_that_it_finds(store: ObjectStore, picture: Path, environ: dict[str, str]) -> None:
    with Service("services.classifier", store.url, environ=environ) as service:
        assert find("classifier", store.url, environ) == [service.address]
        answer = classify(store, "part-1", picture, environ)
        assert (answer["version"], answer["count"]) == ("1", 1)
        assert calls(service) == 1
        assert not started_one(store)
        # A version that the server has not loaded is not waited for there: it would be the old one, or none.
        put_classifier(store, "part-new")
        assert classify(store, "part-new", picture, environ)["version"] == "1"
        assert calls(service) == 1
        assert started_one(store)
        assert classify(store, "part-2", picture, {}, "--server", service.address)["count"] == 1
        assert calls(service) == 2


def test_a_question_to_a_server_that_is_there_waits_for_no_import_that_it_does_not_need(
    store: ObjectStore, picture: Path, environ: dict[str, str]
) -> None:
    question = ("classifier", "classify", "part-1", str(picture), "--store", store.url)
    with Service("services.classifier", store.url, environ=environ) as service:
        for asked in (imported(*question, **environ), imported(*question, "--server", service.address)):
            assert "grpc" in asked
            assert asked & HEAVY == set()
        assert calls(service) == 2
        assert "rich" in imported(*question, "--verbose", **environ), "whoever wants to look on is shown progress"


def test_looking_at_runs_waits_for_nothing_that_only_their_steps_need(store: ObjectStore) -> None:
    recorded = RecordedPipeline(
        name="photos", preset="quick", settings={"edits": {"count": 4}}, contract_version=1, versions={}
    )
    RunRecord(store, "photos").write_pipeline(recorded)
    for command in ("runs", "status"):
        assert imported(command, "--store", store.url) & HEAVY == set()


def test_a_command_imports_no_other_command() -> None:
    assert imported("--version") & (HEAVY | {"grpc", "google", "pydantic"}) == set()
    assert imported("classifier", "label", "--help") & (HEAVY | {"grpc", "google"}) == set()


def test_without_a_server_the_answer_is_the_same(store: ObjectStore, picture: Path, environ: dict[str, str]) -> None:
    alone = classify(store, "part-1", picture, environ)
    assert started_one(store)
    with Service("services.classifier", store.url, "--engine", "openvino", environ=environ) as service:
        served = classify(store, "part-1", picture, environ)
        assert calls(service) == 1
    for one, other in zip(alone["classifications"], served["classifications"], strict=True):  # type: ignore[call-overload]
        assert one["decision"] == other["decision"]
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-3)


def test_a_server_that_asks_who_calls_is_not_to_be_found(store: ObjectStore, environ: dict[str, str]) -> None:
    with Service("services.filter", store.url, environ={**environ, "DEFECTORY_TOKEN": "secret"}) as service:
        assert service.said["ready"] is True
        assert find("filter", store.url, environ) == []
