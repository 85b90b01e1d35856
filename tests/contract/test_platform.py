"""What every service has: operations that survive, errors, health, reflection, metrics, token, drain."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.rpc import code_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.api.operations.v1.operations_pb2 import Progress
from defectory.errors import AlreadyExists, Cancelled, DefectoryError, InvalidInput, NotFound, Refused, Unavailable
from defectory.phases import measuring
from defectory.serving.channel import open_channel
from defectory.serving.operations.client import cancel, progress_of, wait_for
from defectory.serving.operations.servicer import MAX_WAITING
from defectory.serving.probe import is_serving
from defectory.serving.service import ServiceDefinition, run_service
from defectory.serving.status import error_from_rpc
from defectory.settings import ServiceSettings
from defectory.storage import ObjectStore, open_store
from tests.contract.running import ROOT, Service
from tests.patience import PATIENT_S

SAMPLE = "tests.contract.sample_service"


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def service(folder: ObjectStore) -> Iterator[Service]:
    with Service(SAMPLE, folder.url, "--weights", "w.h5") as running:
        yield running


def start(service: Service, request_id: str, count: int = 3, model: str = "", channel: grpc.Channel | None = None):
    stub = generator_pb2_grpc.GeneratorServiceStub(channel or service.channel)
    request = generator_pb2.SynthesizeRequest(request_id=request_id, count=count, model=model, dataset=request_id)
    try:
        return stub.Synthesize(request, timeout=PATIENT_S)
    except grpc.RpcError as error:
        raise error_from_rpc(error) from error


def counted(store: ObjectStore, name: str) -> list[bytes]:
    return [store.get(x.key) for x in store.list(f"counted/{name}/")]


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until(condition, seconds: float = PATIENT_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_operation_from_start_to_end(service: Service, folder: ObjectStore) -> None:
    seen = []
    response = wait_for(service.channel, start(service, "a", 60), seen.append)
    assert response == generator_pb2.SynthesizeResponse(manifest_uri="w.h5", count=60)
    assert seen[-1].done == seen[-1].total == 60
    assert (seen[-1].unit, seen[-1].stage, seen[-1].values["number"]) == ("steps", "counting", 59)
    assert any(0 < p.done < 60 and p.rate > 0 and p.HasField("remaining") for p in seen)
    assert len(set(counted(folder, "a"))) == 1


def test_an_operation_says_where_its_time_went(service: Service) -> None:
    with measuring() as clock:
        seen: list[Progress] = []
        wait_for(service.channel, start(service, "a", 60), seen.append)
    assert all(not progress.HasField("spent") for progress in seen[:-1])
    took = seen[-1].spent
    assert took.computing > 60 * 0.05  # which it sleeps
    assert min(took.starting, took.writing, took.cores) > 0  # what it reads may take less than the last digit
    assert took.waiting == 0
    # Its caller has spent the same, and waited only as long as it takes to be asked and to answer.
    spent = clock.spent()
    assert spent.starting == pytest.approx(took.starting, abs=0.002)
    assert spent.writing == pytest.approx(took.writing, abs=0.002)
    assert spent.cores >= took.cores


def test_the_same_request_again_is_the_same_operation(service: Service) -> None:
    first = start(service, "a")
    assert start(service, "a").name == first.name
    wait_for(service.channel, first)
    assert start(service, "a").done
    with pytest.raises(AlreadyExists, match="request_id"):
        start(service, "a", count=4)
    with pytest.raises(InvalidInput) as caught:
        start(service, "")
    assert "request_id" in caught.value.fields


def test_errors_of_a_job_reach_the_caller(service: Service) -> None:
    with pytest.raises(InvalidInput, match="odd") as caught:
        wait_for(service.channel, start(service, "invalid", model="invalid"))
    assert caught.value.fields == {"count": "use an even one"}
    with pytest.raises(DefectoryError, match=r"internal error [0-9a-f]{16}") as internal:
        wait_for(service.channel, start(service, "bug", model="bug"))
    assert "secret" not in str(internal.value)


def test_what_failed_is_taken_up_again(service: Service, folder: ObjectStore) -> None:
    with pytest.raises(NotFound):
        wait_for(service.channel, start(service, "a", model="needs"))
    folder.put("needed", b"")
    assert wait_for(service.channel, start(service, "a", model="needs")).count == 3


def test_a_worker_that_dies_is_started_again(service: Service, folder: ObjectStore) -> None:
    operation = start(service, "a", 5, "dies-once")
    wait_for(service.channel, operation)
    assert len(set(counted(folder, "a"))) == 2
    with pytest.raises(Unavailable, match="died 3 times, last by signal SIGKILL"):
        wait_for(service.channel, start(service, "b", 5, "dies"))


def test_a_killed_service_takes_its_workers_along_and_goes_on_after(folder: ObjectStore) -> None:
    with Service(SAMPLE, folder.url, "--weights", "w") as first:
        operation = start(first, "a", 60, "held")
        until(lambda: len(counted(folder, "a")) > 5)
        processes = psutil.Process(first.process.pid).children(recursive=True)
        assert "count-a" in {process.name() for process in processes}
        first.kill()
        until(lambda: not any(map(alive, processes)))
        assert len(counted(folder, "a")) < 60
    folder.put("go-on", b"")
    with Service(SAMPLE, folder.url, "--weights", "w") as second:
        stub = operations_pb2_grpc.OperationsStub(second.channel)
        response = wait_for(second.channel, stub.GetOperation(operations_pb2.GetOperationRequest(name=operation.name)))
        assert response.count == 60
        assert progress_of(stub.GetOperation(operations_pb2.GetOperationRequest(name=operation.name))).restarts == 1
    pids = counted(folder, "a")
    assert len(pids) == 60
    assert len(set(pids)) == 2


def test_a_damaged_record_keeps_neither_the_service_nor_the_others_down(folder: ObjectStore) -> None:
    with Service(SAMPLE, folder.url) as first:
        start(first, "a", 40)
        first.kill()
    record = next(info.key for info in folder.list("operations/") if info.key.count("/") == 2)
    folder.put(f"{record.rpartition('/')[0]}/0.json", b"{")
    with Service(SAMPLE, folder.url) as second:
        stub = operations_pb2_grpc.OperationsStub(second.channel)
        listed = stub.ListOperations(operations_pb2.ListOperationsRequest()).operations
        assert wait_for(second.channel, listed[0]).count == 40
        assert len(listed) == 1
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetOperation(operations_pb2.GetOperationRequest(name="operations/0"))
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS


def test_of_two_services_one_works_on_an_operation_and_the_other_after_it(folder: ObjectStore) -> None:
    with Service(SAMPLE, folder.url, "--weights", "w") as first:
        operation = start(first, "a", 200, "held")
        waiting = start(first, "b", 3)
        until(lambda: len(counted(folder, "a")) > 2)
        with Service(SAMPLE, folder.url, "--weights", "w") as second:
            assert start(second, "a", 200, "held").name == operation.name
            time.sleep(1)
            assert len(set(counted(folder, "a"))) == 1
            assert counted(folder, "b") == []
            before = len(counted(folder, "a"))
            first.kill()
            folder.put("go-on", b"")
            assert wait_for(second.channel, operation, timeout_s=PATIENT_S).count == 200
            assert wait_for(second.channel, waiting, timeout_s=PATIENT_S).count == 3
    assert before < 200
    assert len(set(counted(folder, "a"))) == 2
    assert not [info.key for info in folder.list("operations/") if "/owners/" in info.key]


def test_resume_on_request_waits_to_be_asked(folder: ObjectStore) -> None:
    with Service(SAMPLE, folder.url) as first:
        start(first, "a", 40, "held")
        until(lambda: len(counted(folder, "a")) > 2)
        first.kill()
    folder.put("go-on", b"")
    with Service(SAMPLE, folder.url, "--resume", "on-request") as second:
        time.sleep(1)
        assert len(counted(folder, "a")) < 40
        wait_for(second.channel, start(second, "a", 40, "held"))


@pytest.mark.parametrize("to", ["service", "group"])  # systemd, for one, sends it to every process of a service
def test_sigterm_drains_and_the_next_start_goes_on(folder: ObjectStore, to: str) -> None:
    with Service(SAMPLE, folder.url) as first:
        start(first, "a", 60, "held")
        until(lambda: len(counted(folder, "a")) > 5)
        service = psutil.Process(first.process.pid)
        for process in [service, *(service.children(recursive=True) if to == "group" else ())]:
            process.terminate()
        assert first.process.wait(PATIENT_S) == 0
    assert len(counted(folder, "a")) < 60
    assert folder.exists("left/a")
    folder.put("go-on", b"")
    with Service(SAMPLE, folder.url) as second:
        assert wait_for(second.channel, start(second, "a", 60, "held")).count == 60


def test_cancel(service: Service, folder: ObjectStore) -> None:
    running, waiting = start(service, "a", 400, "held"), start(service, "b", 400)
    until(lambda: len(counted(folder, "a")) > 2)
    for operation in (waiting, running):
        cancel(service.channel, operation.name)
        with pytest.raises(Cancelled):
            wait_for(service.channel, operation, timeout_s=PATIENT_S)
    assert len(counted(folder, "a")) < 400
    assert counted(folder, "b") == []


def test_many_who_wait_leave_threads_for_health_and_other_calls(service: Service) -> None:
    name = start(service, "a", 400, "held").name
    stub = operations_pb2_grpc.OperationsStub(service.channel)
    request = operations_pb2.WaitOperationRequest(name=name)
    waiting = [stub.WaitOperation.future(request, timeout=30) for _ in range(40)]
    until(lambda: sum(call.done() for call in waiting) == 40 - MAX_WAITING)
    assert is_serving(service.address)
    assert not stub.GetOperation(operations_pb2.GetOperationRequest(name=name), timeout=PATIENT_S).done
    cancel(service.channel, name)
    assert all(call.result().name == name for call in waiting)


def test_another_service_on_the_same_store_cancels(service: Service, folder: ObjectStore) -> None:
    operation = start(service, "a", 400, "held")
    until(lambda: len(counted(folder, "a")) > 2)
    with Service(SAMPLE, folder.url, "--resume", "on-request") as second:
        cancel(second.channel, operation.name)
        with pytest.raises(Cancelled):
            wait_for(second.channel, operation, timeout_s=PATIENT_S)
    until(lambda: service.metrics()['defectory_operations_running{job="tests.contract.sample_jobs:count"}'] == 0)
    assert len(counted(folder, "a")) < 400


def test_get_list_wait_delete(service: Service) -> None:
    stub = operations_pb2_grpc.OperationsStub(service.channel)
    names = [start(service, f"op{i}", 1).name for i in range(3)]
    for name in names:
        until(lambda name=name: stub.WaitOperation(operations_pb2.WaitOperationRequest(name=name)).done)
    first = stub.ListOperations(operations_pb2.ListOperationsRequest(page_size=2))
    second = stub.ListOperations(operations_pb2.ListOperationsRequest(page_size=2, page_token=first.next_page_token))
    assert [o.name for o in (*first.operations, *second.operations)] == names
    assert not second.next_page_token
    stub.DeleteOperation(operations_pb2.DeleteOperationRequest(name=names[0]))
    for name, code in ((names[0], code_pb2.NOT_FOUND), ("operations/../x", code_pb2.INVALID_ARGUMENT)):
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetOperation(operations_pb2.GetOperationRequest(name=name))
        assert caught.value.code().value[0] == code
    for request in ({"page_token": "zzz"}, {"page_size": -1}, {"filter": "x"}):
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListOperations(operations_pb2.ListOperationsRequest(**request))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_errors_of_a_call(service: Service) -> None:
    stub = generator_pb2_grpc.GeneratorServiceStub(service.channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetGenerator(generator_pb2.GetGeneratorRequest(model="none"))
    assert isinstance(error_from_rpc(caught.value), NotFound)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetGenerator(generator_pb2.GetGeneratorRequest(model="bug"))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in caught.value.details()
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetGenerator(generator_pb2.GetGeneratorRequest(model="x" * (65 << 20)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_health_reflection_metrics(service: Service) -> None:
    assert is_serving(service.address)
    assert is_serving(service.address, "defectory.api.generator.v1.GeneratorService")
    assert not is_serving("127.0.0.1:9")
    ask = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    answer = next(iter(reflection_pb2_grpc.ServerReflectionStub(service.channel).ServerReflectionInfo(ask)))
    names = {s.name for s in answer.list_services_response.service}
    assert {"defectory.api.generator.v1.GeneratorService", "google.longrunning.Operations"} <= names
    wait_for(service.channel, start(service, "a"))
    until(lambda: 'job="tests.contract.sample_jobs:count",state="succeeded"} 1.0' in metrics_page(service))
    assert 'code="OK",method="/defectory.api.generator.v1.GeneratorService/Synthesize"} 1.0' in metrics_page(service)


def metrics_page(service: Service) -> str:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{service.said['metrics_port']}/metrics", timeout=PATIENT_S
    ) as answer:
        return answer.read().decode()


def test_token(folder: ObjectStore) -> None:
    with Service(SAMPLE, folder.url, environ={"DEFECTORY_TOKEN": "secret"}) as service:
        assert is_serving(service.address)
        for token in ("", "wrong"):
            with open_channel(service.address, token=token) as channel, pytest.raises(Refused):
                start(service, "a", channel=channel)
        method = "/defectory.api.generator.v1.GeneratorService/Synthesize"
        assert f'code="UNAUTHENTICATED",method="{method}"}} 2.0' in metrics_page(service)
        with open_channel(service.address, token="secret") as channel:
            assert wait_for(channel, start(service, "a", channel=channel)).count == 3


@pytest.mark.parametrize("flags", [["--port", "70000"], ["--port", "x"], ["--store", "nothing"], ["--workers", "0"]])
def test_settings_out_of_range_stop_the_start(folder: ObjectStore, flags: list[str]) -> None:
    with pytest.raises(AssertionError, match="exit code 3"):
        Service(SAMPLE, folder.url, *flags)


def test_a_service_ends_with_the_codes_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("no answer")

    monkeypatch.setattr("defectory.serving.service.read_settings", unavailable)
    assert run_service(ServiceDefinition("sample", ServiceSettings, generator_pb2.DESCRIPTOR, lambda *_: None)) == 10


def test_a_taken_port_is_said(service: Service, folder: ObjectStore) -> None:
    with pytest.raises(AssertionError, match="exit code 3"):
        Service(SAMPLE, folder.url, "--port", service.address.rpartition(":")[2])


@pytest.mark.parametrize("module", [SAMPLE, "services.classifier"])
def test_a_taken_metrics_port_is_one_sentence(module: str, service: Service, folder: ObjectStore) -> None:
    taken = str(service.said["metrics_port"])
    command = [sys.executable, "-m", module, "--store", folder.url, "--port", "0", "--metrics-port", taken]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENT_S, check=False)
    (said,) = [line for line in ended.stderr.splitlines() if "cannot" in line]
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "Traceback" not in ended.stderr
    assert f"cannot serve metrics on 127.0.0.1:{taken}: Address already in use; choose another metrics port" in said
