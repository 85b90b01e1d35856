"""A training whose pod is evicted: the worker leaves a checkpoint and the code that means "try again"."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.serving.operations.nursery import ForkedWork, Nursery
from defectory.serving.operations.record import OperationRecord, ProgressRecord, State, pack, read_record, write_record
from defectory.serving.operations.runner import Workplace
from defectory.serving.operations.worker import EXIT_INTERRUPTED
from defectory.storage import ObjectStore, open_store
from services.generator import bundle
from tests.contract.running import ROOT
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import write_images

SPLITS = [("good", "train")] * 12 + [("good", "validation")] * 12
SETTINGS = pb.TrainingSettings(
    channel_base=256, channel_max=8, z_dim=8, w_dim=8, batch=4, kimg=0.4, snapshot_kimg=0.32, measured_images=20
)


JOB = "services.generator.jobs:train_generator"


def started(store: ObjectStore, operation_id: str) -> ForkedWork:
    """A worker for an operation, as the service starts it."""
    nursery = Nursery(Workplace("generator", store.url, {}))
    nursery.prepare(JOB)
    return nursery.start(operation_id, JOB)


def ask(store: ObjectStore, manifest: str, name: str) -> str:
    """Store an operation that trains a generator, and return its id."""
    request = pb.TrainGeneratorRequest(
        request_id=name, manifest_uri=manifest, label="good", name=name, seed=1, settings=SETTINGS
    )
    record = OperationRecord(id=name, job=JOB, request=pack(request), created=datetime.now(UTC))
    write_record(store, "generator", record)
    return name


def images_seen(store: ObjectStore, name: str) -> list[int]:
    """Of the checkpoints of a training."""
    keys = [info.key for info in store.list(f"models/generator/{name}/1/checkpoints/")]
    return [int(key[-17:-5]) for key in keys if key.endswith(".json")]


def wait_for_steps(store: ObjectStore, works: Callable[[], bool], operation_id: str = "") -> None:
    """Until a training (any, or that of an operation) says that it is in its steps."""
    deadline = time.monotonic() + PATIENT_S
    while not any(
        info.key.endswith("progress.json")
        and ProgressRecord.model_validate_json(store.get(info.key)).stage == "training"
        for info in store.list(f"operations/generator/{operation_id}")
    ):
        assert time.monotonic() < deadline
        assert works()
        time.sleep(0.02)


@pytest.mark.slow
def test_an_evicted_worker_leaves_a_checkpoint_and_asks_to_be_tried_again(tmp_path: object) -> None:
    store = open_store(f"file://{tmp_path}/store")
    manifest = write_images(store, "parts", SPLITS)
    calm, evicted = ask(store, manifest, "calm"), ask(store, manifest, "evicted")
    assert started(store, calm).wait() == 0

    worker = started(store, evicted)
    wait_for_steps(store, lambda: read_record(store, "generator", evicted).state is State.UNFINISHED, evicted)
    worker.stop()
    assert worker.wait() == EXIT_INTERRUPTED == 75
    assert read_record(store, "generator", evicted).state is State.UNFINISHED  # to be taken up again
    (written,) = images_seen(store, evicted)
    assert 0 < written < 320  # before the first snapshot

    assert started(store, evicted).wait() == 0
    first, second = (bundle.read_card(store, f"{name}/1") for name in (calm, evicted))
    assert first.weights_sha256 == second.weights_sha256
    assert (first.history, first.shipped_kimg) == (second.history, second.shipped_kimg)
    assert [x["images_seen"] for x in second.history] == [320, 400]
    assert "held-out" in second.shipped_reason
    lines = store.get(second.prefix + "metrics.jsonl").splitlines()
    assert [json.loads(line)["kid"] for line in lines] == [x["kid"] for x in second.history]
    assert store.exists(second.video_key)
    assert store.exists(second.sample_key)


def test_an_evicted_command_line_asks_to_be_tried_again(tmp_path: object) -> None:
    store = open_store(f"file://{tmp_path}/store")
    write_images(store, "parts", SPLITS)
    command = [sys.executable, "-m", "orchestrator.cli.main", "generator", "train", "parts", "--store", store.url]
    command += ["--label", "good", "--name", "evicted", "--kimg", "500", "--snapshot-kimg", "100", "--batch", "2"]
    command += ["--channel-base", "256", "--measured-images", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_ADDRESS")}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for_steps(store, lambda: process.poll() is None)
    process.terminate()
    _, said = process.communicate(timeout=PATIENT_S)
    assert process.returncode == 75
    assert b"the same command goes on" in said
    (written,) = images_seen(store, "evicted")
    assert 0 < written < 100_000  # before the first snapshot
