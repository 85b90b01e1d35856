"""What a supervisor asks of a runner, and when: a runner that takes long to be ready holds up nobody."""

import threading
import time
from collections.abc import Iterator

import pytest

from defectory.api.generator.v1 import generator_pb2
from defectory.serving.operations.lifeline import EXIT_INTERRUPTED
from defectory.serving.operations.record import State, read_record
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.storage import ObjectStore, open_store
from tests.patience import PATIENT_S


class Elsewhere:
    """A runner whose work is done nowhere: a test says when it is ready, and how work ends."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.preparing = threading.Event()
        self.started: dict[str, Pending] = {}
        self.begun = threading.Condition()

    def prepare(self, job: str) -> None:
        """Wait for the test."""
        self.preparing.set()
        assert self.ready.wait(PATIENT_S)

    def start(self, operation_id: str, job: str) -> "Pending":
        """Work that a test ends."""
        with self.begun:
            self.started[operation_id] = Pending()
            self.begun.notify_all()
        return self.started[operation_id]

    def wait_for(self, operation_id: str) -> "Pending":
        """The work, as soon as it is started."""
        with self.begun:
            assert self.begun.wait_for(lambda: operation_id in self.started, PATIENT_S)
        return self.started[operation_id]


class Pending:
    """Work that goes on until it is stopped or killed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._ended = threading.Event()

    def wait(self) -> int:
        """As a worker that left off."""
        assert self._ended.wait(PATIENT_S)
        return EXIT_INTERRUPTED

    def stop(self) -> None:
        """It heeds that."""
        self.asked.append("stop")
        self._ended.set()

    def kill(self) -> None:
        """It ends."""
        self.asked.append("kill")
        self._ended.set()


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory://")


@pytest.fixture
def runner() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def operations(store: ObjectStore, runner: Elsewhere) -> Iterator[OperationSupervisor]:
    operations = OperationSupervisor(store, "s", runner)
    yield operations
    runner.ready.set()
    operations.shutdown(PATIENT_S)


def start(operations: OperationSupervisor, request_id: str) -> str:
    return operations.start("m:f", generator_pb2.SynthesizeRequest(request_id=request_id)).name


def test_what_is_cancelled_while_its_runner_gets_ready_is_never_started(
    operations: OperationSupervisor, runner: Elsewhere
) -> None:
    name = start(operations, "a")
    assert runner.preparing.wait(PATIENT_S)
    other = start(operations, "b")
    operations.cancel(name)
    assert operations.get(name).error.message == "operation f-a was cancelled"
    runner.ready.set()
    runner.wait_for("f-b")
    assert list(runner.started) == ["f-b"]
    assert not operations.get(other).done


def test_what_is_cancelled_once_it_is_started_is_asked_to_stop(
    operations: OperationSupervisor, runner: Elsewhere
) -> None:
    runner.ready.set()
    name = start(operations, "a")
    work = runner.wait_for("f-a")
    operations.cancel(name)
    assert operations.wait(name, PATIENT_S).error.message == "operation f-a was cancelled"
    assert work.asked == ["stop"]


def test_a_stop_stops_what_works_starts_nothing_more_and_owns_nothing_after(
    store: ObjectStore, operations: OperationSupervisor, runner: Elsewhere
) -> None:
    runner.ready.set()
    start(operations, "a")
    start(operations, "b")  # waits: one works at a time
    work = runner.wait_for("f-a")
    operations.shutdown(PATIENT_S)
    assert work.asked == ["stop"]
    assert list(runner.started) == ["f-a"]
    assert [read_record(store, "s", name).state for name in ("f-a", "f-b")] == [State.UNFINISHED] * 2
    assert not [info.key for info in store.list() if "/owners/" in info.key]


def test_a_stop_comes_before_a_start_that_is_under_way(
    store: ObjectStore, operations: OperationSupervisor, runner: Elsewhere
) -> None:
    start(operations, "a")
    assert runner.preparing.wait(PATIENT_S)
    stopping = threading.Thread(target=operations.shutdown, args=(PATIENT_S,))
    stopping.start()
    while not operations._stopping:
        time.sleep(0.01)
    runner.ready.set()
    stopping.join(PATIENT_S)
    assert not stopping.is_alive()
    assert not runner.started
    assert read_record(store, "s", "f-a").state is State.UNFINISHED
