"""Odd and hostile input to every call that takes images or manifests: answered or refused by name, and served on."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import grpc
import pytest
from google.protobuf.message import Message
from PIL import Image

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.api.filter.v1 import filter_pb2, filter_pb2_grpc
from defectory.api.inference.v2 import open_inference_pb2, open_inference_pb2_grpc
from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.errors import Corrupted, DefectoryError, InvalidInput, NotFound, Refused
from defectory.serving.channel import open_channel
from defectory.serving.operations.client import wait_for
from defectory.serving.probe import is_serving
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from tests.contract import pictures
from tests.contract.datasets import make_dataset
from tests.contract.running import Service
from tests.patience import PATIENT_S

UPRIGHT = {  # of pictures.good(), what is not 96 x 80
    "jpeg": (512, 512), "jpeg on its side": (300, 200), "png very wide": (2048, 1), "png of one pixel": (1, 1),
}  # fmt: skip
BEYOND = b"x" * (65 << 20)  # more than a message's 64 MiB
LONG_NAME = "ä" * 50_000  # 100 KB
SERVICES = {"classifier": (classifier_pb2, open_inference_pb2), "explainer": (explainer_pb2,), "filter": (filter_pb2,)}
CALLS = {  # every call that takes images, models or manifests -> the service that answers it
    f"/{service.full_name}/{method.name}": running
    for running, modules in SERVICES.items()
    for module in modules
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@dataclass(frozen=True)
class Running:
    """The services that take images, over one store."""

    store: ObjectStore
    classifier: Service
    explainer: Service
    filter: Service

    def explain(self, **fields) -> explainer_pb2.ExplainResponse:
        request = explainer_pb2.ExplainRequest(**{"model": "parts", **fields})
        return explainer_pb2_grpc.ExplainerServiceStub(self.explainer.channel).Explain(request, timeout=PATIENT_S)

    def explain_images(self, **fields) -> explainer_pb2.ExplainImagesResponse:
        request = explainer_pb2.ExplainImagesRequest(**{"models": ["parts"], "output_prefix": "why", **fields})
        stub = explainer_pb2_grpc.ExplainerServiceStub(self.explainer.channel)
        return wait_for(self.explainer.channel, stub.ExplainImages(request, timeout=PATIENT_S))

    def filter_images(self, **fields) -> filter_pb2.FilterImagesResponse:
        request = filter_pb2.FilterImagesRequest(**{"judge_model": "parts", "dataset": "judged", **fields})
        stub = filter_pb2_grpc.FilterServiceStub(self.filter.channel)
        return wait_for(self.filter.channel, stub.FilterImages(request, timeout=PATIENT_S))


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
            ManifestLine(
                file=PictureFile(
                    uri=running.store.uri(key), sha256=hashlib.sha256(data).hexdigest(), width=1, height=1
                ),
                origin=Origin(kind="synthetic", source=kind),
                label="good",
                split="test",
            )
        )
    outside = replace(
        lines[0],
        file=replace(lines[0].file, uri="file:///etc/passwd", sha256="1" * 64),
        origin=replace(lines[0].origin, source="outside"),
    )
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
    explanation = running.explain(image=classifier_pb2.ImageSource(content=pictures.good()[kind]))
    assert sum(explanation.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert Image.open(io.BytesIO(explanation.heatmap)).size == UPRIGHT.get(kind, (96, 80))
    assert Image.open(io.BytesIO(explanation.overlay)).format == "PNG"


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


def test_long_names_come_back_with_the_right_error(running: Running, real: str) -> None:
    """The message repeats the name; uncut, it would not fit into the trailers, and clients would see another code."""
    image = classifier_pb2.ImageSource(content=pictures.encoded(pictures.pixels()))
    classify = classifier_pb2_grpc.ClassifierServiceStub(running.classifier.channel).Classify
    infer = open_inference_pb2_grpc.GRPCInferenceServiceStub(running.classifier.channel).ModelInfer
    tensor = open_inference_pb2.ModelInferRequest.InferInputTensor(name=LONG_NAME)
    many = {"request_id": "long", "manifest_uri": real}
    for call, fields in (
        (classify, {"request": classifier_pb2.ClassifyRequest(model=LONG_NAME, images=[image])}),
        (infer, {"request": open_inference_pb2.ModelInferRequest(model_name="parts", inputs=[tensor])}),
        (running.explain, {"model": LONG_NAME, "image": image}),
        (running.explain, {"method": LONG_NAME, "image": image}),
        (running.explain_images, {**many, "models": [LONG_NAME]}),
        (running.filter_images, {**many, "real_manifest_uri": real, "dataset": LONG_NAME}),
    ):
        error = fails(call, **fields)
        assert isinstance(error, InvalidInput)
        assert error.fields


def test_a_dataset_is_explained_without_its_hostile_files(running: Running, hostile: str) -> None:
    explained = running.explain_images(request_id="all", manifest_uri=hostile, limit=100)
    assert explained.count == len(pictures.good())


def test_hostile_files_are_rejected_as_unreadable_and_the_others_judged(
    running: Running, hostile: str, real: str
) -> None:
    filtered = running.filter_images(
        request_id="all", manifest_uri=hostile, real_manifest_uri=real, policy=filter_pb2.POLICY_NONE
    )
    judged = {line.origin.source: line for line in read_manifest(running.store, filtered.manifest_uri)}
    unreadable = {source for source, line in judged.items() if "unreadable" in line.judgement.reasons}
    assert unreadable == {*pictures.bad(), "outside"}
    assert all(judged[kind].judgement.scores for kind in pictures.good())


def test_a_manifest_that_is_none_is_refused(running: Running, real: str) -> None:
    running.store.put("odd/manifest.jsonl", b"\xff\xfe")
    uri = running.store.uri("odd/manifest.jsonl")
    assert isinstance(fails(running.explain_images, request_id="odd", manifest_uri=uri), InvalidInput)
    error = fails(running.filter_images, request_id="odd", manifest_uri=real, real_manifest_uri=uri)
    assert isinstance(error, InvalidInput)


@pytest.mark.parametrize("method", list(CALLS))
def test_a_message_too_large_is_refused_by_the_server(method: str, running: Running) -> None:
    address = getattr(running, CALLS[method]).address
    with open_channel(address, max_message_mb=256) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(method)(BEYOND, timeout=PATIENT_S)
    assert "Received message larger" in caught.value.details()  # not the client's own limit
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert is_serving(address)


def ask(running: Running, call: str, **fields) -> Message:
    """A call of the classifier, with a request that is right but for the fields."""
    request = {
        "TrainClassifier": {"name": "new"}, "EvaluateClassifier": {"model": "parts"},
        "ScoreImages": {"model": "parts", "output_prefix": "scores"}, "CalibrateClassifier": {"model": "parts"},
        "ExportClassifier": {"model": "parts", "format": "onnx"}, "GetClassifier": {"model": "parts"},
        "ScoreAnomalies": {"splits": ["test"], "output_prefix": "anomalies/x"},
    }.get(call, {})  # fmt: skip
    kind = getattr(classifier_pb2, f"{call}Request")
    stub = classifier_pb2_grpc.ClassifierServiceStub(running.classifier.channel)
    return getattr(stub, call)(kind(**{**request, **fields}), timeout=PATIENT_S)


OF_A_MODEL = ("EvaluateClassifier", "ScoreImages", "CalibrateClassifier", "ExportClassifier", "GetClassifier")
OF_A_DATASET = ("TrainClassifier", "ScoreAnomalies", *OF_A_MODEL[:4])


@pytest.mark.parametrize("call", OF_A_MODEL)
def test_classifiers_that_there_are_not(call: str, running: Running, real: str) -> None:
    running.store.put("models/classifier/broken/1/model.json", b"[]")
    fields = {} if call == "GetClassifier" else {"request_id": "n", "manifest_uri": real}
    for model, kind in (
        ("none", NotFound), ("parts/9", NotFound), ("parts/canary", NotFound), ("parts/newest", InvalidInput),
        ("../parts", InvalidInput), ("", InvalidInput), (LONG_NAME, InvalidInput), ("broken", Corrupted),
    ):  # fmt: skip
        assert isinstance(fails(ask, running, call, model=model, **fields), kind), model[:20]


@pytest.mark.parametrize("call", OF_A_DATASET)
def test_manifests_that_there_are_not(call: str, running: Running) -> None:
    running.store.put("odd/manifest.jsonl", b"\xff\xfe")
    for uri, kind in (
        ("file:///etc/passwd", Refused), ("s3://elsewhere/manifest.jsonl", Refused), ("STORE/none", NotFound),
        ("STORE/../manifest.jsonl", Refused | InvalidInput), ("STOREx/manifest.jsonl", Refused),
        ("STORE/odd/manifest.jsonl", InvalidInput), *([] if call == "ExportClassifier" else [("", Refused)]),
    ):  # fmt: skip
        uri = uri.replace("STORE", running.store.url)
        assert isinstance(fails(ask, running, call, request_id="u", manifest_uri=uri), kind), uri


@pytest.mark.parametrize(
    ("call", "wrong", "field"),
    [
        ("EvaluateClassifier", {"split": "all"}, "split"), ("EvaluateClassifier", {"request_id": "a b"}, "request_id"),
        ("ScoreImages", {"output_prefix": "../x"}, "key"), ("ScoreImages", {"output_prefix": ""}, "key"),
        ("ScoreImages", {"request_id": ""}, "request_id"), ("TrainClassifier", {"name": "../x"}, "name"),
        ("TrainClassifier", {"name": LONG_NAME}, "name"), ("TrainClassifier", {"folds": 1}, "folds"),
        ("CalibrateClassifier", {"target": LONG_NAME}, "settings.target"),
        ("CalibrateClassifier", {"request_id": "a/b"}, "request_id"),
        ("ExportClassifier", {"format": LONG_NAME}, "format"),
        ("ExportClassifier", {"request_id": "../x"}, "request_id"),
        ("ScoreAnomalies", {"splits": ["all"]}, "splits"), ("ScoreAnomalies", {"splits": []}, "splits"),
        ("ScoreAnomalies", {"output_prefix": "../x"}, "key"), ("ScoreAnomalies", {"patches": 9}, "patches"),
        ("ScoreAnomalies", {"cycles": 101}, "cycles"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(call: str, wrong: dict[str, str], field: str, running: Running, real: str) -> None:
    error = fails(ask, running, call, **{"request_id": "w", "manifest_uri": real, **wrong})
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == [field]


def test_a_label_of_too_many_characters_is_refused_before_it_is_trained(running: Running, real: str) -> None:
    lines = read_manifest(running.store, real)
    long = [replace(line, label="x" * 201) if line.label == "defect" else line for line in lines]
    uri = write_dataset(running.store, "long", long, {})
    error = fails(ask, running, "TrainClassifier", request_id="long", manifest_uri=uri)
    assert isinstance(error, InvalidInput)
    assert "201 characters" in str(error)


def test_classifiers_are_listed_by_page_with_those_that_are_broken(running: Running) -> None:
    for name, card in (("broken", b"[]"), ("deep", b'{"a":' * 100_000), ("draft", b"{")):
        running.store.put(f"models/classifier/{name}/1/model.json", card)
    running.store.put("models/classifier/draft/newest/model.json", b"{}")
    listed = ask(running, "ListClassifiers").classifiers
    assert [one.name for one in listed] == ["broken", "deep", "draft", "parts"]
    assert [bool(one.labels) for one in listed] == [False, False, False, True]
    first = ask(running, "ListClassifiers", page_size=3)
    assert [one.name for one in first.classifiers] == ["broken", "deep", "draft"]
    second = ask(running, "ListClassifiers", page_size=3, page_token=first.next_page_token)
    assert [one.name for one in second.classifiers] == ["parts"]
    assert not second.next_page_token
    for wrong in ({"page_size": -1}, {"page_size": 1001}, {"page_token": "x"}, {"page_token": "LTE="},
                  {"page_token": LONG_NAME}):  # fmt: skip
        assert list(fails(ask, running, "ListClassifiers", **wrong).fields) == list(wrong)


@pytest.mark.parametrize(
    ("name", "version", "kind"),
    [
        ("", "", InvalidInput), ("../parts", "", InvalidInput), ("parts/1", "", InvalidInput), ("none", "", NotFound),
        ("parts", "9", NotFound), ("parts", "canary", NotFound), ("parts", "../1", InvalidInput),
        pytest.param(LONG_NAME, "", InvalidInput, id="long-name"),
        pytest.param("parts", LONG_NAME, InvalidInput, id="long-version"),
    ],
)  # fmt: skip
def test_models_of_the_open_inference_protocol_that_there_are_not(
    name: str, version: str, kind: type, running: Running
) -> None:
    stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(running.classifier.channel)
    fields = {"name": name, "version": version}
    assert not stub.ModelReady(open_inference_pb2.ModelReadyRequest(**fields), timeout=PATIENT_S).ready
    for call in ("ModelMetadata", "ModelConfig"):
        request = getattr(open_inference_pb2, f"{call}Request")(**fields)
        assert isinstance(fails(getattr(stub, call), request, timeout=PATIENT_S), kind), call
