"""Workers that stay: which operations share one, and that nothing of one operation reaches the next."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from defectory.api.generator.v1.generator_pb2 import SynthesizeRequest
from defectory.serving.operations import standby
from defectory.serving.operations.nursery import Nursery
from defectory.serving.operations.record import State, read_record
from defectory.serving.operations.runner import Workplace
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.storage import ObjectStore, open_store
from tests.patience import PATIENT_S
from tests.processes import gone

LIGHT = "tests.contract.sample_jobs:count"
HEAVY = "tests.contract.sample_jobs:_count"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def operations(store: ObjectStore) -> Iterator[OperationSupervisor]:
    operations = OperationSupervisor(store, "s", Nursery(Workplace("s", store.url, {"weights": ""}), [LIGHT]))
    yield operations
    operations.shutdown(PATIENT_S)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(operations: OperationSupervisor, name: str, model: str = "", count: int = 3, job: str = LIGHT) -> str:
    return operations.start(job, SynthesizeRequest(request_id=name, dataset=name, model=model, count=count)).name


def ended(operations: OperationSupervisor, store: ObjectStore, name: str) -> State:
    """How an operation ended, once its worker is idle or gone."""
    assert operations.wait(name, PATIENT_S).done
    until(lambda: name.removeprefix("operations/") not in operations._active)
    return read_record(store, "s", name.removeprefix("operations/")).state


def workers(store: ObjectStore, name: str) -> list[int]:
    """Process ids of who worked on an operation, in their order."""
    return list(dict.fromkeys(int(store.get(info.key)) for info in store.list(f"counted/{name}/")))


def test_one_worker_takes_one_operation_after_another(operations: OperationSupervisor, store: ObjectStore) -> None:
    for name in ("a", "b", "c"):
        assert ended(operations, store, start(operations, name)) is State.SUCCEEDED
    assert len({*workers(store, "a"), *workers(store, "b"), *workers(store, "c")}) == 1
    assert workers(store, "a") != [os.getpid()]
    # Each operation's record is of its own work: three steps of at least a twentieth of a second.
    spent = [read_record(store, "s", f"count-{name}").spent for name in ("a", "b", "c")]
    assert all(one is not None and one.computing >= 0.15 and one.cores < 60 for one in spent)


def test_who_did_not_succeed_does_not_stay(operations: OperationSupervisor, store: ObjectStore) -> None:
    assert ended(operations, store, start(operations, "a")) is State.SUCCEEDED
    assert ended(operations, store, start(operations, "bug", "bug")) is State.FAILED
    (first,) = workers(store, "a")
    until(lambda: gone(first))
    assert ended(operations, store, start(operations, "b")) is State.SUCCEEDED
    assert workers(store, "b") != [first]


def test_a_worker_that_is_killed_while_it_waits_is_replaced(
    operations: OperationSupervisor, store: ObjectStore
) -> None:
    ended(operations, store, start(operations, "a"))
    (first,) = workers(store, "a")
    os.kill(first, signal.SIGKILL)
    until(lambda: gone(first))
    assert ended(operations, store, start(operations, "b")) is State.SUCCEEDED
    assert read_record(store, "s", "count-b").restarts == 0


def test_a_worker_that_dies_at_work_is_replaced_and_its_work_goes_on(
    operations: OperationSupervisor, store: ObjectStore
) -> None:
    ended(operations, store, start(operations, "a"))
    assert ended(operations, store, start(operations, "b", "dies-once", 5)) is State.SUCCEEDED
    assert workers(store, "b")[0] == workers(store, "a")[0]
    assert len(workers(store, "b")) == 2
    assert len(list(store.list("counted/b/"))) == 5


def test_a_cancel_reaches_the_operation_that_it_means(operations: OperationSupervisor, store: ObjectStore) -> None:
    ended(operations, store, start(operations, "a"))
    held = start(operations, "held", "held", 40)
    until(lambda: len(list(store.list("counted/held/"))) == 20)
    operations.cancel(held)
    assert ended(operations, store, held) is State.CANCELLED
    assert ended(operations, store, start(operations, "b", count=2)) is State.SUCCEEDED


def test_a_stop_leaves_work_off_to_be_taken_up_again(operations: OperationSupervisor, store: ObjectStore) -> None:
    ended(operations, store, start(operations, "a"))
    start(operations, "held", "held", 40)
    until(lambda: len(list(store.list("counted/held/"))) == 20)
    operations.shutdown(PATIENT_S)
    assert read_record(store, "s", "count-held").state is State.UNFINISHED
    assert store.exists("left/held")  # it was asked, and had the time to say so


def test_work_that_is_not_light_has_the_memory_to_itself(operations: OperationSupervisor, store: ObjectStore) -> None:
    ended(operations, store, start(operations, "a"))
    (first,) = workers(store, "a")
    ended(operations, store, start(operations, "b", job=HEAVY))
    assert workers(store, "b") != [first]
    until(lambda: gone(first))


@pytest.mark.parametrize(("limit", "value"), [("IDLE_S", 0.05), ("MOST_OPERATIONS", 1), ("MOST_BYTES", 1)])
def test_a_worker_goes_when_it_has_waited_worked_or_taken_enough(
    operations: OperationSupervisor, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(standby, limit, value)
    ended(operations, store, start(operations, "a"))
    (first,) = workers(store, "a")
    until(lambda: gone(first))


def test_a_worker_that_waits_hears_who_ends_it(operations: OperationSupervisor, store: ObjectStore) -> None:
    ended(operations, store, start(operations, "a"))
    (first,) = workers(store, "a")
    os.kill(first, signal.SIGTERM)
    until(lambda: gone(first))
