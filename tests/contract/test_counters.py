"""Counters are there at 0 before anything counts: one that appears with 1 has not increased, as Prometheus sees it."""

from collections.abc import Iterator

import pytest

from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.serving.operations.client import wait_for
from tests.contract.running import Service
from tests.patience import PATIENT_S

GENERATOR = "/defectory.api.generator.v1.GeneratorService"
JOB = "tests.contract.sample_jobs:count"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service("tests.contract.sample_service", f"file://{tmp_path_factory.mktemp('counters')}/store") as running:
        yield running


def test_calls_count_from_0(service: Service) -> None:
    series = service.metrics()
    for method in (f"{GENERATOR}/Synthesize", "/google.longrunning.Operations/GetOperation"):
        for code in ("INTERNAL", "UNAVAILABLE", "OK"):
            assert series[f'defectory_grpc_calls_total{{code="{code}",method="{method}"}}'] == 0
        assert series[f'defectory_grpc_silent_calls_total{{method="{method}"}}'] == 0
    assert not [name for name in series if "ClassifierService" in name]  # which this process does not serve


def test_a_jobs_failures_count_from_0(service: Service) -> None:
    stub = generator_pb2_grpc.GeneratorServiceStub(service.channel)
    request = generator_pb2.SynthesizeRequest(request_id="a", count=1, dataset="a")
    wait_for(service.channel, stub.Synthesize(request, timeout=PATIENT_S))
    series = service.metrics()
    assert series[f'defectory_worker_restarts_total{{job="{JOB}"}}'] == 0
    assert series[f'defectory_operations_total{{job="{JOB}",state="failed"}}'] == 0
