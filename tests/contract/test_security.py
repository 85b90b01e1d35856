"""A service that asks who calls, over real connections: tokens, certificates that are renewed, health beside them."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.serving.channel import open_channel
from defectory.serving.scopes import Scope
from defectory.serving.tokens import line_of, new_token
from tests.contract.certificates import make_pki
from tests.contract.running import Service
from tests.patience import PATIENT_S
from tests.s3_servers import free_ports

SAMPLE = "tests.contract.sample_service"
READ, OPERATE = new_token(), new_token()


def code_of(error: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    return error.value.code()


def listed(channel: grpc.Channel) -> None:
    OperationsStub(channel).ListOperations(operations_pb2.ListOperationsRequest(), timeout=PATIENT_S)


def started(channel: grpc.Channel) -> None:
    request = generator_pb2.SynthesizeRequest(request_id="a")
    generator_pb2_grpc.GeneratorServiceStub(channel).Synthesize(request, timeout=PATIENT_S)


def reflected(channel: grpc.Channel) -> None:
    request = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    list(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(request, timeout=PATIENT_S))


def checked(channel: grpc.Channel) -> int:
    return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENT_S).status


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_text(
        line_of("watch", [Scope.READ], READ) + "\n" + line_of("plant", [Scope.OPERATE], OPERATE) + "\n"
    )
    with Service(SAMPLE, f"file://{folder}/store", "--tokens", f"{folder}/tokens") as service:
        yield service


def test_scopes_hold_for_our_calls_for_operations_and_for_reflection(guarded: Service) -> None:
    refused = grpc.StatusCode.PERMISSION_DENIED
    with open_channel(guarded.address, token=READ) as watch, open_channel(guarded.address, token=OPERATE) as plant:
        listed(watch)
        reflected(watch)
        started(plant)
        with pytest.raises(grpc.RpcError, match="wants a token with the scope `operate`") as caught:
            started(watch)
        assert code_of(caught) is refused
        for call in (listed, reflected):
            with pytest.raises(grpc.RpcError, match="that of plant has operate") as caught:
                call(plant)
            assert code_of(caught) is refused
        with pytest.raises(grpc.RpcError) as caught:
            OperationsStub(watch).CancelOperation(operations_pb2.CancelOperationRequest(name="x"), timeout=PATIENT_S)
        assert code_of(caught) is refused


def test_without_a_token_only_health_answers(guarded: Service) -> None:
    for call in (listed, started, reflected):
        with pytest.raises(grpc.RpcError) as caught:
            call(guarded.channel)
        assert code_of(caught) is grpc.StatusCode.UNAUTHENTICATED
    assert checked(guarded.channel) == health_pb2.HealthCheckResponse.SERVING


def test_metadata_is_bounded(guarded: Service) -> None:
    stub = OperationsStub(guarded.channel)
    token = ("authorization", f"Bearer {READ}")
    stub.ListOperations(operations_pb2.ListOperationsRequest(), metadata=[token, ("a", "x" * 8_000)])
    with pytest.raises(grpc.RpcError) as caught:
        stub.ListOperations(operations_pb2.ListOperationsRequest(), metadata=[token, ("a", "x" * 20_000)])
    assert code_of(caught) is grpc.StatusCode.RESOURCE_EXHAUSTED


def tls_flags(pki: dict[str, str]) -> tuple[str, ...]:
    return ("--tls-cert", pki["server_cert"], "--tls-key", pki["server_key"], "--tls-client-ca", pki["ca"])


def test_health_alone_is_answered_in_plaintext_on_its_own_port(tmp_path: Path) -> None:
    pki, (port,) = make_pki(tmp_path), free_ports(1)
    flags = (*tls_flags(pki), "--health-port", str(port))
    with Service(SAMPLE, f"file://{tmp_path}/store", *flags) as service:
        with open_channel(f"127.0.0.1:{port}") as probe:
            assert checked(probe) == health_pb2.HealthCheckResponse.SERVING
            for call in (listed, started, reflected):
                with pytest.raises(grpc.RpcError) as caught:
                    call(probe)
                assert code_of(caught) is grpc.StatusCode.UNIMPLEMENTED
        with open_channel(service.address) as plain, pytest.raises(grpc.RpcError):
            listed(plain)


def test_certificates_are_renewed_without_a_restart(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    old, new = make_pki(before), make_pki(after)
    with Service(SAMPLE, f"file://{tmp_path}/store", *tls_flags(old)) as service:
        old_ca, new_ca = Path(old["ca"]).read_bytes(), Path(new["ca"]).read_bytes()
        own = {name: Path(old[name]).read_bytes() for name in ("client_cert", "client_key")}
        for name in ("server_cert", "server_key", "ca"):
            Path(old[name]).write_bytes(Path(new[name]).read_bytes())
        (tmp_path / "old.pem").write_bytes(old_ca)
        assert new_ca != old_ca
        client = {"tls_cert": new["client_cert"], "tls_key": new["client_key"]}
        with open_channel(service.address, tls_ca=new["ca"], **client) as channel:
            listed(channel)
        (tmp_path / "client.pem").write_bytes(own["client_cert"])
        (tmp_path / "client.key").write_bytes(own["client_key"])
        gone = {"tls_cert": f"{tmp_path}/client.pem", "tls_key": f"{tmp_path}/client.key"}
        with open_channel(service.address, tls_ca=new["ca"], **gone) as channel, pytest.raises(grpc.RpcError):
            listed(channel)
        Path(old["server_cert"]).write_text("no certificate")  # half-written: what was there goes on
        with open_channel(service.address, tls_ca=new["ca"], **client) as channel:
            listed(channel)
        assert service.process.poll() is None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    pki = make_pki(tmp_path)

    def shake_hands(newest: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=pki["ca"])
        context.set_alpn_protocols(["h2"])
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
        context.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection((host, int(port))) as raw:
            return context.wrap_socket(raw, server_hostname="127.0.0.1").version()

    with Service(SAMPLE, f"file://{tmp_path}/store", *tls_flags(pki)[:4]) as service:
        host, _, port = service.address.rpartition(":")
        assert shake_hands(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        with pytest.raises(ssl.SSLError):
            shake_hands(ssl.TLSVersion.TLSv1_1)


def test_a_service_answers_while_callers_leave_and_says_so(tmp_path: Path) -> None:
    with Service(SAMPLE, f"file://{tmp_path}/store", "--leave-s", "2", "--drain-s", "1") as service:
        watch = health_pb2_grpc.HealthStub(service.channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        service.process.terminate()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with grpc.insecure_channel(service.address, [("grpc.use_local_subchannel_pool", 1)]) as late:
            listed(late)  # who has not heard of it yet
        assert service.process.wait(PATIENT_S) == 0


def test_a_connection_ends_after_the_time_that_is_set(tmp_path: Path) -> None:
    with Service(SAMPLE, f"file://{tmp_path}/store", "--connection-s", "1") as service:
        ends: list[grpc.ChannelConnectivity] = []
        with grpc.insecure_channel(service.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            listed(channel)
            channel.subscribe(ends.append)
            stub = health_pb2_grpc.HealthStub(channel)
            for _ in range(50):
                stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0, wait_for_ready=True)
                if grpc.ChannelConnectivity.IDLE in ends:
                    break
                time.sleep(0.1)
        assert grpc.ChannelConnectivity.IDLE in ends
