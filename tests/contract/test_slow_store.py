"""Many callers of a service whose store takes seconds a call: they wait for the store, not for each other."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.serving.channel import open_channel
from defectory.storage import ObjectStore, open_store
from tests.contract.running import Service
from tests.contract.slow_store_service import CALL_S
from tests.patience import PATIENT_S

CALLERS = 32  # twice as many as a service answers at once


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


@contextmanager
def callers(service: Service) -> Iterator[list[grpc.Channel]]:
    """Channels of all callers."""
    with ExitStack() as opened:
        yield [opened.enter_context(open_channel(service.address)) for _ in range(CALLERS)]


def asked(channel: grpc.Channel, request_id: str, count: int = 3) -> operations_pb2.Operation:
    request = generator_pb2.SynthesizeRequest(request_id=request_id, count=count, dataset=request_id)
    return generator_pb2_grpc.GeneratorServiceStub(channel).Synthesize(request, timeout=PATIENT_S)


def healthy_within(channel: grpc.Channel) -> float:
    """Seconds that the answer takes that the service is well."""
    started = time.monotonic()
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENT_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    return time.monotonic() - started


def test_a_slow_store_starves_neither_health_nor_the_other_callers(folder: ObjectStore) -> None:
    with (
        Service("tests.contract.slow_store_service", folder.url) as service,
        callers(service) as channels,
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        started = time.monotonic()
        calls: list[Future[operations_pb2.Operation]] = [
            pool.submit(asked, channel, f"r{number // 2}") for number, channel in enumerate(channels)
        ]
        slowest, looks = 0.0, 0
        while not all(call.done() for call in calls):
            slowest, looks = max(slowest, healthy_within(service.channel)), looks + 1
            time.sleep(0.1)
        took = time.monotonic() - started
        assert [call.result().name for call in calls] == [
            f"operations/count-r{number // 2}" for number in range(CALLERS)
        ]
        assert looks > 10
        assert slowest < CALL_S  # it waits for no call of the store, however slow the machine
        assert took < CALLERS * 3 * CALL_S / 2  # a start asks the store three times at least: half of one by one
        service.kill()  # the work itself is not waited for


def test_the_same_request_of_many_callers_at_once_is_one_operation(folder: ObjectStore) -> None:
    with (
        Service("tests.contract.sample_service", folder.url) as service,
        callers(service) as channels,
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        names = {operation.name for operation in pool.map(lambda channel: asked(channel, "one", 6), channels)}
        assert names == {"operations/count-one"}
        stub = operations_pb2_grpc.OperationsStub(service.channel)
        deadline = time.monotonic() + PATIENT_S
        while not stub.WaitOperation(operations_pb2.WaitOperationRequest(name="operations/count-one")).done:
            assert time.monotonic() < deadline
        assert len(stub.ListOperations(operations_pb2.ListOperationsRequest()).operations) == 1
    counted = [folder.get(info.key) for info in folder.list("counted/one/")]
    assert len(counted) == 6
    assert len(set(counted)) == 1  # by one worker
