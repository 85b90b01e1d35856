"""What is on the wire: TLS with and without client certificates, and spans to an OpenTelemetry collector."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from defectory.errors import InvalidInput
from defectory.serving.channel import from_environment, open_channel
from defectory.serving.probe import is_serving
from defectory.settings import ServiceSettings, read_settings
from tests.contract.certificates import make_pki
from tests.contract.running import Service
from tests.patience import PATIENT_S

SERVICE = "tests.contract.sample_service"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """PEM files of an authority of its own, and of a server's and a client's certificate."""
    return make_pki(tmp_path_factory.mktemp("pki"))


def ask(channel: grpc.Channel) -> None:
    with channel:
        OperationsStub(channel).ListOperations(operations_pb2.ListOperationsRequest(), timeout=PATIENT_S)


def test_tls(pki: dict[str, str], tmp_path: Path) -> None:
    flags = ("--tls-cert", pki["server_cert"], "--tls-key", pki["server_key"])
    with Service(SERVICE, f"file://{tmp_path}/store", *flags) as service:
        ask(open_channel(service.address, tls_ca=pki["ca"]))
        with pytest.raises(grpc.RpcError) as caught:
            ask(open_channel(service.address))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_what_reads_the_environment_speaks_tls_without_a_certificate_of_its_own(
    pki: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"DEFECTORY_TLS_CERT": "server_cert", "DEFECTORY_TLS_KEY": "server_key", "DEFECTORY_TLS_CA": "ca"}
    environ = {variable: pki[name] for variable, name in names.items()}  # of a service that asks another one
    with Service(SERVICE, f"file://{tmp_path}/store", environ=environ) as service:
        monkeypatch.setenv("DEFECTORY_TLS_CA", pki["ca"])
        assert is_serving(service.address)
        ask(from_environment(service.address))
        ask(from_environment(service.address, environ))
        monkeypatch.delenv("DEFECTORY_TLS_CA")
        assert not is_serving(service.address)


@pytest.mark.parametrize(
    ("given", "missing"),
    [(("tls_cert",), "tls_key"), (("tls_key",), "tls_cert"), (("tls_client_ca",), "tls_cert")],
)
def test_what_is_missing_of_tls_is_named(given: tuple[str, ...], missing: str) -> None:
    environ = {f"DEFECTORY_{name.upper()}": "x.pem" for name in given}
    with pytest.raises(InvalidInput, match=f"{missing} is missing beside x.pem") as caught:
        read_settings("generator", ServiceSettings, ["--store", "memory://"], environ)
    assert set(caught.value.fields) == {missing}


def test_a_pem_file_that_is_not_there_is_named(pki: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"DEFECTORY_TLS_CA '.*none.pem': No such file"):
        open_channel("127.0.0.1:9", tls_ca=f"{tmp_path}/none.pem")
    with pytest.raises(InvalidInput, match="DEFECTORY_TLS_KEY ''"):
        open_channel("127.0.0.1:9", tls_ca=pki["ca"], tls_cert=pki["client_cert"])


def test_client_certificates(pki: dict[str, str], tmp_path: Path) -> None:
    flags = ("--tls-cert", pki["server_cert"], "--tls-key", pki["server_key"], "--tls-client-ca", pki["ca"])
    with Service(SERVICE, f"file://{tmp_path}/store", *flags) as service:
        ask(open_channel(service.address, tls_ca=pki["ca"], tls_cert=pki["client_cert"], tls_key=pki["client_key"]))
        with pytest.raises(grpc.RpcError) as caught:
            ask(open_channel(service.address, tls_ca=pki["ca"]))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.spans: list[tuple[str, str]] = []  # (service.name, span name)
        self.arrived = threading.Event()

    def Export(self, request, context):  # noqa: N802
        for resource in request.resource_spans:
            name = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
            self.spans += [(name, span.name) for scope in resource.scope_spans for span in scope.spans]
        self.arrived.set()
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    server, collector = grpc.server(ThreadPoolExecutor(2)), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield collector, f"http://127.0.0.1:{port}"
    server.stop(0)


def test_calls_become_spans(collector: tuple[Collector, str], tmp_path: Path) -> None:
    spans, endpoint = collector
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with Service(SERVICE, f"file://{tmp_path}/store", environ=environ) as service:
        ask(open_channel(service.address))
        assert spans.arrived.wait(PATIENT_S)
    assert any(span.endswith("google.longrunning.Operations/ListOperations") for _, span in spans.spans)
    assert {name.startswith("defectory-") for name, _ in spans.spans} == {True}
