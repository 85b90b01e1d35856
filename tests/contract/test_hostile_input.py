"""Odd and hostile input to every call that takes images or manifests: answered or refused by name, and served on."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.message import Message
from PIL import Image

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.api.filter.v1 import filter_pb2, filter_pb2_grpc
from defectory.api.inference.v2 import open_inference_pb2, open_inference_pb2_grpc
from defectory.datasets.manifest import ManifestLine, read_manifest, write_dataset
from defectory.errors import DefectoryError, InvalidInput, NotFound, Refused
from defectory.serving.channel import open_channel
from defectory.serving.operations.client import wait_for
from defectory.serving.probe import is_serving
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from tests.contract import pictures
from tests.contract.datasets import make_dataset
from tests.contract.running import Service

UPRIGHT = {  # of pictures.good(), what is not 96 x 80
    "jpeg": (512, 512), "jpeg on its side": (300, 200), "png very wide": (50_016, 1), "png of one pixel": (1, 1),
}  # fmt: skip
BEYOND = b"x" * (65 << 20)  # more than a message's 64 MiB


@dataclass(frozen=True)
class Running:
    """The services that take images, over one store."""

    store: ObjectStore
    classifier: Service
    explainer: Service
    filter: Service

    def explain(self, **fields) -> explainer_pb2.ExplainResponse:
        request = explainer_pb2.ExplainRequest(**{"model": "parts", **fields})
        return explainer_pb2_grpc.ExplainerServiceStub(self.explainer.channel).Explain(request, timeout=60)

    def explain_images(self, **fields) -> explainer_pb2.ExplainImagesResponse:
        request = explainer_pb2.ExplainImagesRequest(**{"models": ["parts"], "output_prefix": "why", **fields})
        stub = explainer_pb2_grpc.ExplainerServiceStub(self.explainer.channel)
        return wait_for(self.explainer.channel, stub.ExplainImages(request, timeout=60))

    def filter_images(self, **fields) -> filter_pb2.FilterImagesResponse:
        request = filter_pb2.FilterImagesRequest(**{"judge_model": "parts", "dataset": "judged", **fields})
        stub = filter_pb2_grpc.FilterServiceStub(self.filter.channel)
        return wait_for(self.filter.channel, stub.FilterImages(request, timeout=60))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = open_store(f"file://{tmp_path_factory.mktemp('hostile')}/store")
    put_classifier(store, "parts")
    with (
        Service("services.classifier", store.url, "--poll-s", "0") as classifier,
        Service("services.explainer", store.url) as explainer,
        Service("services.filter", store.url, "--classifier-address", classifier.address) as filter_,
    ):
        yield Running(store, classifier, explainer, filter_)


@pytest.fixture(scope="module")
def real(running: Running) -> str:
    return make_dataset(running.store)


@pytest.fixture(scope="module")
def hostile(running: Running) -> str:
    """A dataset of every odd and hostile file."""
    lines = []
    for kind, data in {**pictures.good(), **pictures.bad()}.items():
        key = f"hostile/{hashlib.sha256(data).hexdigest()}"
        running.store.put(key, data)
        lines.append(
            ManifestLine(uri=running.store.uri(key), sha256=hashlib.sha256(data).hexdigest(), width=1, height=1,
                         label="good", split="test", origin="synthetic", source=kind)
        )  # fmt: skip
    outside = lines[0].model_copy(update={"uri": "file:///etc/passwd", "sha256": "1" * 64, "source": "outside"})
    return write_dataset(running.store, "hostile", [*lines, outside], {})


def fails(call, *arguments, **fields) -> DefectoryError:
    try:
        call(*arguments, **fields)
    except grpc.RpcError as error:
        return error_from_rpc(error)
    except DefectoryError as error:  # of an operation
        return error
    pytest.fail("it was answered")


@pytest.mark.parametrize("kind", list(pictures.good()))
def test_odd_images_are_explained(kind: str, running: Running) -> None:
    found = running.explain(image=classifier_pb2.ImageSource(content=pictures.good()[kind]))
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert Image.open(io.BytesIO(found.heatmap)).size == UPRIGHT.get(kind, (96, 80))
    assert Image.open(io.BytesIO(found.overlay)).format == "PNG"


@pytest.mark.parametrize("kind", list(pictures.bad()))
def test_what_is_no_image_is_not_explained(kind: str, running: Running) -> None:
    error = fails(running.explain, image=classifier_pb2.ImageSource(content=pictures.bad()[kind]))
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == ["image"]


def test_an_explanation_of_nothing_is_refused(running: Running) -> None:
    assert list(fails(running.explain).fields) == ["image"]


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("file:///etc/passwd", Refused), ("s3://elsewhere/1.png", Refused), ("http://127.0.0.1/1.png", Refused),
        ("STORE/../../../etc/passwd", Refused | InvalidInput), ("STORE/none.png", NotFound),
    ],
)  # fmt: skip
def test_uris_of_explanations_lie_in_the_store(uri: str, kind: type, running: Running) -> None:
    source = classifier_pb2.ImageSource(uri=uri.replace("STORE", running.store.url))
    assert isinstance(fails(running.explain, image=source), kind)
    for call, fields in (
        (running.explain_images, {"request_id": "u", "manifest_uri": source.uri}),
        (running.filter_images, {"request_id": "u", "manifest_uri": source.uri, "real_manifest_uri": source.uri}),
    ):
        assert isinstance(fails(call, **fields), kind)


@pytest.mark.parametrize(
    ("model", "kind"),
    [("none", NotFound), ("parts/9", NotFound), ("../parts", InvalidInput), ("", InvalidInput), ("a b", InvalidInput)],
)
def test_models_that_there_are_not(model: str, kind: type, running: Running, real: str) -> None:
    image = classifier_pb2.ImageSource(content=pictures.encoded(pictures.pixels()))
    assert isinstance(fails(running.explain, model=model, image=image), kind)
    many = {"request_id": "m", "manifest_uri": real}
    assert isinstance(fails(running.explain_images, models=[model], **many), kind)
    assert isinstance(fails(running.filter_images, judge_model=model, real_manifest_uri=real, **many), kind)


def test_a_dataset_is_explained_without_its_hostile_files(running: Running, hostile: str) -> None:
    found = running.explain_images(request_id="all", manifest_uri=hostile, limit=100)
    assert found.count == len(pictures.good())


def test_hostile_files_are_rejected_as_unreadable_and_the_others_judged(
    running: Running, hostile: str, real: str
) -> None:
    found = running.filter_images(
        request_id="all", manifest_uri=hostile, real_manifest_uri=real, policy=filter_pb2.POLICY_NONE
    )
    judged = {line.source: line for line in read_manifest(running.store, found.manifest_uri)}
    unreadable = {source for source, line in judged.items() if "unreadable" in line.reasons}
    assert unreadable == {*pictures.bad(), "outside"}
    assert all(judged[kind].scores for kind in pictures.good())


def test_a_manifest_that_is_none_is_refused(running: Running, real: str) -> None:
    running.store.put("odd/manifest.jsonl", b"\xff\xfe")
    uri = running.store.uri("odd/manifest.jsonl")
    assert isinstance(fails(running.explain_images, request_id="odd", manifest_uri=uri), InvalidInput)
    error = fails(running.filter_images, request_id="odd", manifest_uri=real, real_manifest_uri=uri)
    assert isinstance(error, InvalidInput)


@pytest.mark.parametrize("call", ["Classify", "ModelInfer", "Explain", "ExplainImages", "FilterImages"])
def test_a_message_too_large_is_refused_by_the_server(call: str, running: Running) -> None:
    stub, service, request = {
        "Classify": (
            classifier_pb2_grpc.ClassifierServiceStub, running.classifier,
            classifier_pb2.ClassifyRequest(model="parts", images=[classifier_pb2.ImageSource(content=BEYOND)]),
        ),
        "ModelInfer": (
            open_inference_pb2_grpc.GRPCInferenceServiceStub, running.classifier,
            open_inference_pb2.ModelInferRequest(model_name="parts", raw_input_contents=[BEYOND]),
        ),
        "Explain": (
            explainer_pb2_grpc.ExplainerServiceStub, running.explainer,
            explainer_pb2.ExplainRequest(model="parts", image=classifier_pb2.ImageSource(content=BEYOND)),
        ),
        "ExplainImages": (
            explainer_pb2_grpc.ExplainerServiceStub, running.explainer,
            explainer_pb2.ExplainImagesRequest(models=[BEYOND.decode()]),
        ),
        "FilterImages": (
            filter_pb2_grpc.FilterServiceStub, running.filter,
            filter_pb2.FilterImagesRequest(manifest_uri=BEYOND.decode()),
        ),
    }[call]  # fmt: skip
    assert _too_large(stub, service, call, request) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert is_serving(service.address)


def _too_large(stub: type, service: Service, call: str, request: Message) -> grpc.StatusCode:
    with open_channel(service.address, max_message_mb=256) as channel, pytest.raises(grpc.RpcError) as caught:
        getattr(stub(channel), call)(request, timeout=60)
    assert "Received message larger" in caught.value.details()  # not the client's own limit
    return caught.value.code()
