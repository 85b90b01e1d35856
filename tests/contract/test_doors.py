"""Callers who hold a service's doors open, each of the four: the others and health are answered all the while."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.api.inference.v2 import open_inference_pb2
from defectory.errors import InvalidInput
from defectory.serving.channel import open_channel
from defectory.serving.probe import is_serving
from defectory.serving.status import error_from_rpc
from tests.contract.running import Service

SERVED: dict[str, list[ServiceDescriptor]] = {
    "generator": [generator_pb2.DESCRIPTOR.services_by_name["GeneratorService"]],
    "classifier": [
        classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"],
        open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"],
    ],
    "filter": [filter_pb2.DESCRIPTOR.services_by_name["FilterService"]],
    "explainer": [explainer_pb2.DESCRIPTOR.services_by_name["ExplainerService"]],
}
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LONG_S = 60.0  # silent calls take so long by themselves; no answer may
HEALTH_S = 10.0  # health may, on a slow machine that has much else to do; it takes milliseconds


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    store = f"file://{tmp_path_factory.mktemp('doors')}/store"
    with ThreadPoolExecutor() as pool:
        starting = {name: pool.submit(Service, f"services.{name}", store) for name in SERVED}
    running = {name: future.result() for name, future in starting.items()}
    yield running
    for service in running.values():
        service.__exit__(None, None, None)


def nothing(end: threading.Event) -> Iterator[bytes]:
    end.wait(LONG_S)
    yield from ()


def listed(channel: grpc.Channel) -> None:
    OperationsStub(channel).ListOperations(operations_pb2.ListOperationsRequest(), timeout=LONG_S)


def described(channel: grpc.Channel) -> list[str]:
    """What reflection says is served."""
    request = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    (answer,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(request, timeout=LONG_S)
    return [service.name for service in answer.list_services_response.service]


@pytest.mark.parametrize("name", SERVED)
def test_silent_calls_and_streams_keep_nobody_waiting(name: str, services: dict[str, Service]) -> None:
    service, end = services[name], threading.Event()
    methods = [f"/{one.full_name}/{method.name}" for one in SERVED[name] for method in one.methods]
    methods += ["/google.longrunning.Operations/WaitOperation", "/grpc.health.v1.Health/Check"]
    with open_channel(service.address) as strangers, open_channel(service.address) as friend:
        silent: list[Any] = [strangers.stream_unary(methods[i % len(methods)]).future(nothing(end)) for i in range(50)]
        silent += [strangers.stream_stream(REFLECT)(nothing(end)) for _ in range(20)]
        try:
            for _ in range(10):
                assert is_serving(service.address, timeout_s=HEALTH_S)
                listed(friend)
                assert SERVED[name][0].full_name in described(friend)
            assert (
                sum(not call.done() for call in silent) > 60
            )  # they were silent all the while, but for a few of health
        finally:
            end.set()


def items(field: str, kind: Any, count: int) -> bytes:
    """So many empty items of a field, or numbers 0 of one byte each."""
    number = kind.DESCRIPTOR.fields_by_name[field].number
    if kind.DESCRIPTOR.fields_by_name[field].cpp_type in (1, 2):  # int32, int64
        packed = bytes(count)
        length = bytes([count & 127 | 128, count >> 7 & 127 | 128, count >> 14 & 127 | 128, count >> 21])
        return bytes([number << 3 | 2]) + length + packed
    return bytes([number << 3 | 2, 0]) * count


TOO_MANY = [
    ("classifier", 0, "Classify", classifier_pb2.ClassifyRequest, "images"),
    ("classifier", 1, "ModelInfer", open_inference_pb2.ModelInferRequest, "inputs"),
    ("classifier", 1, "ModelInfer", open_inference_pb2.ModelInferRequest, "raw_input_contents"),
    ("explainer", 0, "ExplainImages", explainer_pb2.ExplainImagesRequest, "models"),
    ("filter", 0, "FilterImages", filter_pb2.FilterImagesRequest, "accepted_manifest_uris"),
    ("filter", 0, "FilterImages", filter_pb2.FilterImagesRequest, "label_thresholds"),
    ("generator", 0, "TrainGenerator", generator_pb2.TrainGeneratorRequest, "labels"),
    ("generator", 0, "Synthesize", generator_pb2.SynthesizeRequest, "seeds"),
    ("generator", 0, "Preview", generator_pb2.PreviewRequest, "seeds"),
    ("generator", 0, "MixStyles", generator_pb2.MixStylesRequest, "class_labels"),
]


@pytest.mark.parametrize(("name", "which", "call", "kind", "field"), TOO_MANY)
def test_what_holds_too_much_is_refused_before_it_is_built(
    name: str, which: int, call: str, kind: Any, field: str, services: dict[str, Service]
) -> None:
    service = services[name]
    listed(service.channel)
    before = peak_kb(service)
    method = service.channel.unary_unary(f"/{SERVED[name][which].full_name}/{call}")
    with pytest.raises(grpc.RpcError) as caught:
        method(items(field, kind, 4_000_000), timeout=LONG_S)
    error = error_from_rpc(caught.value)
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == [field]
    assert str(error).startswith(f"{field}: it has more than ")
    assert peak_kb(service) - before < 100_000  # of 8 MB; as messages they are hundreds


def peak_kb(service: Service) -> int:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def test_empty_names_are_told_as_such(services: dict[str, Service]) -> None:
    request = open_inference_pb2.ModelInferRequest(
        model_name="m", inputs=[open_inference_pb2.ModelInferRequest.InferInputTensor()] * 16
    )
    infer = services["classifier"].channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    with pytest.raises(grpc.RpcError, match="inputs: inputs are ''; send one, named 'image'"):
        infer(request.SerializeToString(), timeout=LONG_S)


SAMPLE = "tests.contract.sample_service"


def test_a_service_stops_in_time_whatever_its_callers_hold(tmp_path: Path) -> None:
    end = threading.Event()
    with Service(SAMPLE, f"file://{tmp_path}/store", "--drain-s", "1") as service:
        method = "/defectory.api.generator.v1.GeneratorService/GetGenerator"
        held: list[Any] = [service.channel.stream_unary(method).future(nothing(end)) for _ in range(20)]
        held += [service.channel.stream_stream(REFLECT)(nothing(end)) for _ in range(5)]
        watch = health_pb2_grpc.HealthStub(service.channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        service.process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert service.process.wait(30) == 0
        end.set()


def test_silent_calls_end_after_the_time_that_is_set(tmp_path: Path) -> None:
    end = threading.Event()
    with Service(SAMPLE, f"file://{tmp_path}/store", "--message-s", "0.5") as service:
        silent = service.channel.stream_unary("/google.longrunning.Operations/GetOperation").future(nothing(end))
        assert silent.code() is grpc.StatusCode.CANCELLED
        end.set()


def test_connections_are_bounded(tmp_path: Path) -> None:
    with (
        Service(SAMPLE, f"file://{tmp_path}/store", "--connections", "2") as service,
        own_connection(service) as first,
        own_connection(service) as second,
    ):
        listed(first)
        listed(second)
        with own_connection(service) as third:
            with pytest.raises(grpc.RpcError) as caught:
                listed(third)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            second.close()
            request = operations_pb2.ListOperationsRequest()
            OperationsStub(third).ListOperations(request, timeout=LONG_S, wait_for_ready=True)
        listed(first)


def test_the_calls_of_a_connection_are_bounded(tmp_path: Path) -> None:
    end = threading.Event()
    with Service(SAMPLE, f"file://{tmp_path}/store", "--streams", "2") as service, own_connection(service) as channel:
        listed(channel)
        held = [channel.stream_stream(REFLECT)(nothing(end)) for _ in range(2)]
        with pytest.raises(grpc.RpcError) as caught:  # its client holds it back
            OperationsStub(channel).ListOperations(operations_pb2.ListOperationsRequest(), timeout=1)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not any(stream.done() for stream in held)
        listed(service.channel)
        end.set()
        listed(channel)


def own_connection(service: Service) -> grpc.Channel:
    """A channel that shares its connection with no other of this process."""
    return grpc.insecure_channel(service.address, [("grpc.use_local_subchannel_pool", 1)])
