"""A training in several processes, as an operation of the service: one progress, one result, one end."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.api.generator.v1 import generator_pb2_grpc
from defectory.errors import Cancelled, NotFound
from defectory.serving.operations.client import cancel, wait_for
from defectory.serving.operations.record import State, read_progress, read_record
from defectory.storage import ObjectStore, open_store
from services.generator import bundle
from tests.contract.running import Service
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import SHAPE, write_images

LONG = 500.0  # kimg; stopped long before


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def service(folder: ObjectStore) -> Iterator[Service]:
    with Service("services.generator", folder.url, "--processes", "2") as running:
        yield running


def train(service: Service, store: ObjectStore, kimg: float, *, lost: bool = False) -> str:
    """The id of a training's operation; `lost`: of images one of which is gone."""
    manifest = write_images(store, "parts", [("good", "train")] * 6)
    if lost:
        store.delete(next(info.key for info in store.list("datasets/parts/images/")))
    chosen = pb.TrainingSettings(**SHAPE, batch=8, kimg=kimg, device="cpu", measured_images=0)
    request = pb.TrainGeneratorRequest(
        request_id="t", manifest_uri=manifest, label="good", name="parts", seed=3, settings=chosen
    )
    stub = generator_pb2_grpc.GeneratorServiceStub(service.channel)
    return stub.TrainGenerator(request, timeout=PATIENT_S).name.partition("/")[2]


def ended(service: Service, operation_id: str) -> pb.TrainGeneratorResponse:
    request = operations_pb2.GetOperationRequest(name=f"operations/{operation_id}")
    operation = operations_pb2_grpc.OperationsStub(service.channel).GetOperation(request, timeout=PATIENT_S)
    return wait_for(service.channel, operation, timeout_s=PATIENT_S)


def workers(service: Service, operation_id: str) -> list[psutil.Process]:
    """Processes at work on the operation; one that has ended and is not yet waited for is at none."""
    children = psutil.Process(service.process.pid).children(recursive=True)
    return [process for process in children if is_at(process, operation_id)]


def is_at(process: psutil.Process, operation_id: str) -> bool:
    try:
        return process.name() == operation_id[:15] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended while it was looked at
        return False


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def trains(store: ObjectStore, operation_id: str) -> bool:
    progress = read_progress(store, "generator", operation_id)
    return progress is not None and progress.stage == "training" and progress.values.get("images_seen", 1) > 0


def test_two_processes_train_one_generator(service: Service, folder: ObjectStore) -> None:
    operation_id = train(service, folder, 0.4)
    until(lambda: trains(folder, operation_id))
    assert len(workers(service, operation_id)) == 2
    response = ended(service, operation_id)
    assert (response.generator.name, response.generator.version) == ("parts", "1")
    card = bundle.read_card(folder, "parts/1")
    assert card.kimg == 0.4
    assert read_record(folder, "generator", operation_id).restarts == 0
    assert not workers(service, operation_id)


@pytest.mark.slow
def test_when_one_process_is_killed_all_are_started_again(service: Service, folder: ObjectStore) -> None:
    operation_id = train(service, folder, 0.8)
    until(lambda: trains(folder, operation_id))
    first = workers(service, operation_id)
    os.kill(first[-1].pid, signal.SIGKILL)
    ended(service, operation_id)
    assert not any(process.is_running() for process in first)
    assert read_record(folder, "generator", operation_id).restarts == 1
    assert bundle.read_card(folder, "parts/1").kimg == 0.8


def test_cancelling_ends_all_of_them(service: Service, folder: ObjectStore) -> None:
    operation_id = train(service, folder, LONG)
    until(lambda: trains(folder, operation_id))
    cancel(service.channel, f"operations/{operation_id}")
    with pytest.raises(Cancelled):
        ended(service, operation_id)
    until(lambda: not workers(service, operation_id))


def test_errors_of_a_training_reach_the_caller(service: Service, folder: ObjectStore) -> None:
    operation_id = train(service, folder, 0.4, lost=True)  # every process finds that out
    with pytest.raises(NotFound):
        ended(service, operation_id)
    assert read_record(folder, "generator", operation_id).restarts == 0


@pytest.mark.slow
def test_a_stopped_service_leaves_a_checkpoint_and_the_next_goes_on(folder: ObjectStore) -> None:
    with Service("services.generator", folder.url, "--processes", "2") as stopped:
        operation_id = train(stopped, folder, LONG)
        until(lambda: trains(folder, operation_id))
        at_work = workers(stopped, operation_id)
        stopped.process.terminate()
        assert stopped.process.wait(PATIENT_S) == 0
    assert not any(process.is_running() for process in at_work)
    assert read_record(folder, "generator", operation_id).state is State.UNFINISHED
    assert [i.key for i in folder.list("models/generator/parts/1/checkpoints/") if i.key.endswith(".json")]
    with Service("services.generator", folder.url, "--processes", "2") as killed:
        until(lambda: len(workers(killed, operation_id)) == 2)
        at_work = workers(killed, operation_id)
        killed.kill()
        until(lambda: not any(process.is_running() for process in at_work))
