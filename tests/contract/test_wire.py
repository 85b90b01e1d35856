"""What is on the wire: TLS with and without client certificates, and spans to an OpenTelemetry collector."""

import datetime
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from defectory.errors import InvalidInput
from defectory.serving.channel import from_environment, open_channel
from defectory.serving.probe import is_serving
from defectory.settings import read_settings
from tests.contract.running import Service

SERVICE = "tests.contract.sample_service"
AUTHORITY, BEARER = (
    x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("test authority", "test bearer")
)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """PEM files of an authority of its own, and of a server's and a client's certificate."""
    folder = tmp_path_factory.mktemp("pki")
    authority = ec.generate_private_key(ec.SECP256R1())
    files = {"ca": _write(folder / "ca.pem", _certificate(authority, authority, is_authority=True))}
    for who in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        files[f"{who}_cert"] = _write(folder / f"{who}.pem", _certificate(key, authority, is_authority=False))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files[f"{who}_key"] = _write(folder / f"{who}.key", pem)
    return files


def _certificate(
    key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(AUTHORITY if is_authority else BEARER).issuer_name(AUTHORITY)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(names, critical=False)
    )  # fmt: skip
    return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def ask(channel: grpc.Channel) -> None:
    with channel:
        OperationsStub(channel).ListOperations(operations_pb2.ListOperationsRequest(), timeout=10)


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
        read_settings("generator", ["--store", "memory://"], environ)
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
        assert spans.arrived.wait(15)
    assert any(span.endswith("google.longrunning.Operations/ListOperations") for _, span in spans.spans)
    assert {name.startswith("defectory-") for name, _ in spans.spans} == {True}
