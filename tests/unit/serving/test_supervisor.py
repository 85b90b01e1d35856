"""What a supervisor does with operations that are not, or not yet, its own."""

import base64
import json
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf import any_pb2

from defectory.api.filter.v1 import filter_pb2
from defectory.errors import AlreadyExists, Unavailable
from defectory.serving.operations import supervisor
from defectory.serving.operations.client import progress_of
from defectory.serving.operations.leases import Leases
from defectory.serving.operations.ledger import to_message
from defectory.serving.operations.nursery import Nursery
from defectory.serving.operations.record import (
    OperationRecord,
    ProgressRecord,
    State,
    cancel_key,
    pack,
    progress_key,
    read_progress,
    read_record,
    request_of,
    write_progress,
    write_record,
)
from defectory.serving.operations.runner import Workplace
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.storage import ObjectStore, open_store
from defectory.storage.memory import MemoryStore
from tests.patience import PATIENT_S


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A store in which another process, that lives, owns the operation x."""
    monkeypatch.setattr(supervisor, "RENEW_S", 0.02)
    store = open_store("memory://")
    write_record(store, "s", OperationRecord(id="x", job="m:f", request="", created=datetime.now(UTC)))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("defectory.serving.operations.leases._machine", lambda: "elsewhere")
        assert Leases(store, "s").take("x")
    return store


@pytest.fixture
def operations(store: ObjectStore) -> Iterator[OperationSupervisor]:
    operations = OperationSupervisor(store, "s", Nursery(Workplace("s", store.url, {})))
    yield operations
    operations.shutdown(0)


def owners(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list("operations/s/x/owners/")]


def test_a_cancelled_operation_is_ended_by_its_owner_or_when_that_is_gone(
    store: ObjectStore, operations: OperationSupervisor
) -> None:
    operations.cancel("operations/x")
    time.sleep(0.2)
    assert read_record(store, "s", "x").state is State.UNFINISHED
    assert store.exists(cancel_key("s", "x"))
    for key in owners(store):
        store.delete(key)
    deadline = time.monotonic() + PATIENT_S
    while read_record(store, "s", "x").state is not State.CANCELLED:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert owners(store) == []


def test_one_that_was_deleted_meanwhile_is_let_go(store: ObjectStore, operations: OperationSupervisor) -> None:
    operations.resume_unfinished()
    time.sleep(0.2)
    assert len(owners(store)) == 1  # of who lives
    store.delete("operations/s/x.json")
    for key in owners(store):
        store.delete(key)
    time.sleep(0.2)
    assert owners(store) == []


class Held(Nursery):
    """A nursery whose imports take until the test lets them fail."""

    def __init__(self, workplace: Workplace) -> None:
        super().__init__(workplace)
        self.asked, self.let_go = threading.Event(), threading.Event()

    def prepare(self, job: str) -> None:
        self.asked.set()
        self.let_go.wait(PATIENT_S)
        raise Unavailable("no memory")


def test_work_that_has_not_begun_says_what_it_waits_for(store: ObjectStore) -> None:
    runner = Held(Workplace("s", store.url, {}))
    operations = OperationSupervisor(store, "s", runner)
    try:
        first, second = (operations.start("m:f", filter_pb2.FilterImagesRequest(request_id=x)).name for x in "ab")
        assert runner.asked.wait(PATIENT_S)
        said = [progress_of(operations.get(name)).stage for name in (first, second, "operations/x")]
    finally:
        runner.let_go.set()
        operations.shutdown(0)
    assert said == [
        "loading what the work needs, once a service",
        "waiting until other work of the service is done",
        "waiting for the service that works on it",
    ]


def test_a_request_in_a_moved_store_is_the_one_that_started_the_operation(tmp_path: Path) -> None:
    asked = []
    for name in ("store", "moved"):
        if name == "moved":
            shutil.move(tmp_path / "store", tmp_path / name)
        store = open_store(f"file://{tmp_path}/{name}")
        request = filter_pb2.FilterImagesRequest(
            request_id="r", manifest_uri=store.uri("datasets/a/manifest.jsonl"), dataset="b", threshold=0.7,
            accepted_manifest_uris=[store.uri("datasets/c/manifest.jsonl")],
        )  # fmt: skip
        operations = OperationSupervisor(store, "s", Nursery(Workplace("s", store.url, {})))
        asked.append(operations.start("m:f", request))
        operations.shutdown(0)
        assert request_of(read_record(store, "s", "f-r")) == request
        assert b"moved" not in base64.b64decode(json.loads(store.get("operations/s/f-r.json"))["request"])
    assert asked[0].name == asked[1].name
    request.dataset = "d"
    operations = OperationSupervisor(store, "s", Nursery(Workplace("s", store.url, {})))
    with pytest.raises(AlreadyExists, match="something else"):
        operations.start("m:f", request)
    operations.shutdown(0)


@pytest.mark.parametrize("version", ["today", "an older version"])
def test_what_an_operation_gave_is_answered_where_the_store_lies(version: str) -> None:
    store, moved = MemoryStore("file:///srv/before"), MemoryStore("file:///mnt/now")
    response = filter_pb2.FilterImagesResponse(
        manifest_uri=store.uri("datasets/a/manifest.jsonl"), verdicts={"accepted": 3}, curve_uri="",
        warnings=["see file:///srv/before/x of it"],
    )  # fmt: skip
    record = OperationRecord(
        id="x", job="m:f", request=pack(filter_pb2.FilterImagesRequest(dataset="a")), state=State.SUCCEEDED,
        response=pack(response), created=datetime.now(UTC),
    )  # fmt: skip
    if version == "today":
        write_record(store, "s", record)
        progress = ProgressRecord(sample_uri=store.uri("runs/a/x.png"), updated=datetime.now(UTC))
        write_progress(store, "s", "x", progress)
        moved.put(progress_key("s", "x"), store.get(progress_key("s", "x")))
        sample = read_progress(moved, "s", "x")
        assert sample is not None
        assert sample.sample_uri == "file:///mnt/now/runs/a/x.png"
    else:
        store.put("operations/s/x.json", record.model_dump_json().encode())
    moved.put("operations/s/x.json", store.get("operations/s/x.json"))
    answered = filter_pb2.FilterImagesResponse()
    to_message(read_record(moved, "s", "x")).response.Unpack(answered)
    response.manifest_uri = "file:///mnt/now/datasets/a/manifest.jsonl"
    assert answered == response


@pytest.mark.parametrize(
    "packed",
    [
        any_pb2.Any(type_url="type.googleapis.com/nobody.Knows", value=b"x"),
        any_pb2.Any(type_url="type.googleapis.com/defectory.api.filter.v1.FilterImagesRequest", value=b"\xff\xff"),
    ],
    ids=["unknown", "damaged"],
)
def test_a_message_that_cannot_be_read_hides_nothing_else_of_its_record(packed: any_pb2.Any) -> None:
    store = MemoryStore()
    request = base64.b64encode(packed.SerializeToString()).decode()
    write_record(store, "s", OperationRecord(id="x", job="m:f", request=request, created=datetime.now(UTC)))
    record = read_record(store, "s", "x")
    assert (record.request, record.job) == (request, "m:f")
