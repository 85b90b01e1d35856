"""Every call of every service, with any message at all: a status of the list, and the process serves on."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from PIL import Image

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.api.inference.v2 import open_inference_pb2
from defectory.serving.probe import is_serving
from defectory.storage import open_store
from tests.contract.datasets import make_dataset
from tests.contract.running import Service
from tests.fuzz.messages import messages
from tests.fuzz.mutations import mutated
from tests.fuzz.search import SECONDS, search
from tests.unit.generator.generator_samples import write_generator

PROTOS = {
    "generator": (generator_pb2,), "classifier": (classifier_pb2, open_inference_pb2), "filter": (filter_pb2,),
    "explainer": (explainer_pb2,),
}  # fmt: skip
ALLOWED = {  # of docs/serving.md; what a service that is well says to a caller who waits for it
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "PERMISSION_DENIED", "DATA_LOSS",
    "RESOURCE_EXHAUSTED",
}  # fmt: skip
WAITS_S = 90.0
MORE_MB = 700  # that a service may have in memory after all of it, beyond what it has when it serves
ROUND = 8  # messages of each call in the normal tests


@dataclass(frozen=True)
class Asked:
    """A running service, and what its callers know of."""

    service: Service
    known: Mapping[str, Sequence[str]]  # part of a field's name -> what is there
    contents: tuple[bytes, ...]

    def outcome_of(self, method: MethodDescriptor, data: bytes) -> str:
        """The name of the status of one call; fails where it is none of the list."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        try:
            answer = self.service.channel.unary_unary(path)(data, timeout=WAITS_S)
        except grpc.RpcError as error:
            code = error.code().name
            assert code in ALLOWED, f"{path} answers {code}: {error.details()}"  # noqa: PT017 - OK is as good
            return code
        if method.output_type.full_name == operations_pb2.Operation.DESCRIPTOR.full_name:
            self._cancel(operations_pb2.Operation.FromString(answer))
        return "OK"

    def _cancel(self, operation: operations_pb2.Operation) -> None:
        """No work is done for what was asked at random."""
        if not operation.done:
            stub = self.service.channel.unary_unary("/google.longrunning.Operations/CancelOperation")
            stub(operations_pb2.CancelOperationRequest(name=operation.name).SerializeToString(), timeout=WAITS_S)


@contextmanager
def asked(name: str, folder: Path) -> Iterator[Asked]:
    store = open_store(f"file://{folder}/store")
    put_classifier(store, "parts")
    write_generator(store, classes=("good", "defect"))
    manifest = make_dataset(store, each=8)
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((20, 24, 3), np.uint8)).save(buffer, "PNG")
    store.put("shots/1.png", buffer.getvalue())
    known = {
        "manifest": (manifest,), "model": ("parts", "parts/1", "tiny", "tiny/1"), "generator": ("tiny",),
        "uri": (store.uri("shots/1.png"),), "label": ("good", "defect"), "request_id": ("r1", "r2"),
        "name": ("new", "parts", "tiny", "image", "operations/1"), "split": ("test", "train"), "prefix": ("out",),
        "dataset": ("filtered",), "format": ("onnx",), "method": ("grad-cam",), "version": ("1",),
        "datatype": ("BYTES", "FP32"),
    }  # fmt: skip
    with ExitStack() as stack:
        flags = ["--classifier-address"] if name == "filter" else []
        if flags:
            judge = stack.enter_context(Service("services.classifier", store.url, "--poll-s", "0"))
            flags.append(judge.address)
        service = stack.enter_context(Service(f"services.{name}", store.url, *flags))
        yield Asked(service, known, (buffer.getvalue(), b"", b"x"))


@pytest.mark.slow
@pytest.mark.parametrize("name", PROTOS)
def test_calls(name: str, tmp_path: Path) -> None:
    modules = (*PROTOS[name], operations_pb2)
    services = [one for module in modules for one in module.DESCRIPTOR.services_by_name.values()]
    methods = [method for one in services for method in one.methods]
    methods.append(health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name["Check"])
    with asked(name, tmp_path) as running:
        process = psutil.Process(running.service.process.pid)
        before_mb = process.memory_info().rss >> 20
        for method in methods:
            search(
                f"{name}: {method.name}",
                _requests(method, running),
                lambda data, method=method: running.outcome_of(method, data),
                ROUND,
                SECONDS / len(methods),
            )
        assert running.service.process.poll() is None
        assert is_serving(running.service.address)
        assert (process.memory_info().rss >> 20) - before_mb < MORE_MB


def _requests(method: MethodDescriptor, running: Asked) -> SearchStrategy[bytes]:
    """Messages, messages whose bytes were changed, and bytes."""
    whole = messages(method.input_type, running.known, running.contents).map(lambda one: one.SerializeToString())
    broken = whole.flatmap(lambda data: mutated({"message": data}).map(lambda changed: changed[1]))
    return st.one_of(whole, whole, whole, broken, st.binary(max_size=200))
