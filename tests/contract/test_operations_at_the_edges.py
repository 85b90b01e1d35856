"""Operations whose records are damaged, callers whose deadline comes first, and health asked as a whole."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import duration_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.serving.operations.client import cancel
from defectory.serving.operations.record import OperationRecord, progress_key, record_key
from defectory.storage import ObjectStore, open_store
from tests.contract.running import Service
from tests.patience import PATIENT_S

SAMPLE = "tests.contract.sample_service"
RECORD = OperationRecord(id="broken", job="m:f", request="", created=datetime.now(UTC)).model_dump(mode="json")
DAMAGED = {
    "no JSON": b"{",
    "not text": b"\xff\xfe",
    "another's": json.dumps({**RECORD, "id": "other"}).encode(),
    "a request that is none": json.dumps({**RECORD, "request": "?"}).encode(),
    "a result that is none": json.dumps({**RECORD, "state": "succeeded", "response": "?"}).encode(),
    "a result of other bytes": json.dumps(
        {**RECORD, "state": "succeeded", "response": base64.b64encode(b"\xff").decode()}
    ).encode(),
    "an error that is none": json.dumps({**RECORD, "state": "failed", "status": "/w=="}).encode(),
    "restarts beyond all counting": json.dumps({**RECORD, "restarts": 2**40}).encode(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    return open_store(f"file://{tmp_path_factory.mktemp('edges')}/store")


@pytest.fixture(scope="module")
def service(folder: ObjectStore) -> Iterator[Service]:
    with Service(SAMPLE, folder.url) as running:
        yield running


@pytest.fixture(scope="module")
def operations(service: Service) -> operations_pb2_grpc.OperationsStub:
    return operations_pb2_grpc.OperationsStub(service.channel)


def start(service: Service, request_id: str, count: int) -> operations_pb2.Operation:
    stub = generator_pb2_grpc.GeneratorServiceStub(service.channel)
    request = generator_pb2.SynthesizeRequest(request_id=request_id, count=count, dataset=request_id)
    return stub.Synthesize(request, timeout=PATIENT_S)


def code(call: Any, request: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=PATIENT_S)
    return caught.value.code()


def counted(store: ObjectStore, name: str) -> int:
    return sum(1 for _ in store.list(f"counted/{name}/"))


@pytest.mark.parametrize("kind", list(DAMAGED))
def test_a_damaged_record_is_told_and_can_be_cancelled_and_deleted(
    kind: str, folder: ObjectStore, operations: operations_pb2_grpc.OperationsStub
) -> None:
    key, name = record_key("sample", "broken"), "operations/broken"
    folder.put(key, DAMAGED[kind])
    assert code(operations.GetOperation, operations_pb2.GetOperationRequest(name=name)) is grpc.StatusCode.DATA_LOSS
    listed = operations.ListOperations(operations_pb2.ListOperationsRequest(), timeout=PATIENT_S).operations
    assert name not in [operation.name for operation in listed]
    operations.CancelOperation(operations_pb2.CancelOperationRequest(name=name), timeout=PATIENT_S)
    operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=name), timeout=PATIENT_S)
    assert not [info.key for info in folder.list("operations/sample/broken")]
    assert code(operations.GetOperation, operations_pb2.GetOperationRequest(name=name)) is grpc.StatusCode.NOT_FOUND


def test_an_operation_whose_record_is_damaged_while_it_runs_is_stopped_and_not_deleted_before(
    service: Service, folder: ObjectStore, operations: operations_pb2_grpc.OperationsStub
) -> None:
    name = start(service, "runs", 4000).name
    deadline = time.monotonic() + PATIENT_S
    while not counted(folder, "runs"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    folder.put(record_key("sample", name.removeprefix("operations/")), b"{")
    delete = operations_pb2.DeleteOperationRequest(name=name)
    assert code(operations.DeleteOperation, delete) is grpc.StatusCode.FAILED_PRECONDITION
    cancel(service.channel, name)
    while not (operation := get(operations, name)).done:  # its worker knows what it works on, and says how it ended
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert operation.error.code == grpc.StatusCode.CANCELLED.value[0]
    assert counted(folder, "runs") < 4000
    operations.DeleteOperation(delete, timeout=PATIENT_S)


def get(operations: operations_pb2_grpc.OperationsStub, name: str) -> operations_pb2.Operation:
    """The operation, as soon as its record can be read again."""
    with suppress(grpc.RpcError):
        return operations.GetOperation(operations_pb2.GetOperationRequest(name=name), timeout=PATIENT_S)
    return operations_pb2.Operation()


@pytest.mark.parametrize(
    "damage",
    [b"{", b"\xff", b'{"done": 1e400}', b'{"done": 99999999999999999999}', b'{"remaining_s": 1e300}', b'{"rate": "x"}'],
)
def test_damaged_progress_hides_nothing(
    damage: bytes, service: Service, folder: ObjectStore, operations: operations_pb2_grpc.OperationsStub
) -> None:
    operation = start(service, "told", 1)
    while not operation.done:
        operation = operations.WaitOperation(
            operations_pb2.WaitOperationRequest(name=operation.name), timeout=PATIENT_S
        )
    whole = json.dumps({"updated": "2026-01-01T00:00:00Z"}).encode()
    folder.put(
        progress_key("sample", operation.name.removeprefix("operations/")), damage.replace(b"}", b", ") + whole[1:]
    )
    assert operations.GetOperation(operations_pb2.GetOperationRequest(name=operation.name), timeout=PATIENT_S).done


@pytest.mark.parametrize("timeout", [None, duration_pb2.Duration(seconds=60), duration_pb2.Duration(seconds=2**50)])
def test_who_waits_with_a_deadline_is_answered_before_it(
    timeout: duration_pb2.Duration | None, service: Service, operations: operations_pb2_grpc.OperationsStub
) -> None:
    operation = start(service, f"waits-{timeout and timeout.seconds}", 4000)
    try:
        for deadline_s in (0.5, 3.0):
            asked = time.monotonic()
            request = operations_pb2.WaitOperationRequest(name=operation.name, timeout=timeout)
            answer = operations.WaitOperation(request, timeout=deadline_s)
            assert not answer.done
            assert deadline_s / 4 < time.monotonic() - asked < deadline_s
    finally:
        cancel(service.channel, operation.name)


@pytest.mark.parametrize("seconds", [-1, -(2**50)])
def test_a_time_to_wait_below_nothing_is_none(
    seconds: int, service: Service, operations: operations_pb2_grpc.OperationsStub
) -> None:
    operation = start(service, "never", 4000)
    try:
        request = operations_pb2.WaitOperationRequest(
            name=operation.name, timeout=duration_pb2.Duration(seconds=seconds)
        )
        assert not operations.WaitOperation(request, timeout=20).done  # less than the longest wait
    finally:
        cancel(service.channel, operation.name)


def test_health_lists_what_it_checks(service: Service, capfd: pytest.CaptureFixture[str]) -> None:
    stub = health_pb2_grpc.HealthStub(service.channel)
    capfd.readouterr()
    listed = stub.List(health_pb2.HealthListRequest(), timeout=PATIENT_S).statuses
    assert {"", "defectory.api.generator.v1.GeneratorService", "google.longrunning.Operations"} == set(listed)
    for name, status in listed.items():
        assert status == stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENT_S)
        assert status.status == health_pb2.HealthCheckResponse.SERVING
    assert "Traceback" not in capfd.readouterr().err
