"""A classifier that only serves and one that only works, on one store: each says who does the other part."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import psutil
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.classifier.v1 import classifier_pb2_grpc
from defectory.api.inference.v2 import open_inference_pb2, open_inference_pb2_grpc
from defectory.errors import NotServed
from defectory.exit_codes import exit_code
from defectory.serving.operations.client import wait_for
from defectory.serving.operations.record import OperationRecord, State, read_record, write_record
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from tests.contract import pictures
from tests.contract.datasets import make_dataset
from tests.contract.running import Service
from tests.patience import PATIENT_S

CLASSIFIER = "defectory.api.classifier.v1.ClassifierService"
INFERENCE = "inference.GRPCInferenceService"
OPERATIONS = "google.longrunning.Operations"
WORK = (
    "TrainClassifier",
    "EvaluateClassifier",
    "ScoreImages",
    "ScoreAnomalies",
    "CalibrateClassifier",
    "ExportClassifier",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """A store with a classifier, a dataset, and an operation that a classifier before left unfinished."""
    store = open_store(f"file://{tmp_path_factory.mktemp('roles')}/store")
    put_classifier(store, "parts")
    write_record(store, "classifier", OperationRecord(id="left", job="m:f", request="", created=datetime.now(UTC)))
    return store


@pytest.fixture(scope="module")
def serving(store: ObjectStore) -> Iterator[Service]:
    with Service("services.classifier", store.url, "--role", "serve", "--poll-s", "0") as running:
        yield running


@pytest.fixture(scope="module")
def working(store: ObjectStore, serving: Service) -> Iterator[Service]:
    flags = ("--resume", "on-request")  # "left" stays as it is
    with Service("services.classifier", store.url, *flags, environ={"DEFECTORY_ROLE": "work"}) as running:
        yield running


def stub(service: Service) -> classifier_pb2_grpc.ClassifierServiceStub:
    return classifier_pb2_grpc.ClassifierServiceStub(service.channel)


def refused(call: Callable[..., Any], request: Any) -> NotServed:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=PATIENT_S)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    error = error_from_rpc(caught.value)
    assert isinstance(error, NotServed)
    assert exit_code(error) == 6  # trying again does not help
    return error


def listed(service: Service) -> set[str]:
    health = health_pb2_grpc.HealthStub(service.channel)
    return set(health.List(health_pb2.HealthListRequest(), timeout=PATIENT_S).statuses)


def classify(service: Service) -> pb.ClassifyResponse:
    image = pb.ImageSource(content=pictures.encoded(pictures.pixels()))
    return stub(service).Classify(pb.ClassifyRequest(model="parts", images=[image]), timeout=PATIENT_S)


def score(store: ObjectStore) -> pb.ScoreImagesRequest:
    manifest = make_dataset(store, each=4)
    return pb.ScoreImagesRequest(request_id="s", model="parts/1", manifest_uri=manifest, output_prefix="scores/x")


def test_what_serves_answers_and_takes_no_work(store: ObjectStore, serving: Service) -> None:
    (answer,) = classify(serving).classifications
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    inference = open_inference_pb2_grpc.GRPCInferenceServiceStub(serving.channel)
    assert inference.ModelReady(open_inference_pb2.ModelReadyRequest(name="parts"), timeout=PATIENT_S).ready
    for call in WORK:
        request = getattr(pb, f"{call}Request")()
        assert "--role serve" in str(error := refused(getattr(stub(serving), call), request))
        assert "DEFECTORY_CLASSIFIER_ADDRESS" in str(error)
    operations = operations_pb2_grpc.OperationsStub(serving.channel)
    refused(operations.ListOperations, operations_pb2.ListOperationsRequest())
    refused(operations.CancelOperation, operations_pb2.CancelOperationRequest(name="operations/left"))
    assert read_record(store, "classifier", "left").state is State.UNFINISHED  # though it resumes at start
    assert [info.key for info in store.list("operations/")] == ["operations/classifier/left.json"]
    assert not psutil.Process(serving.process.pid).children()


def test_what_works_scores_and_answers_nothing_at_once(store: ObjectStore, working: Service) -> None:
    response = wait_for(working.channel, stub(working).ScoreImages(score(store), timeout=PATIENT_S))
    assert response == pb.ScoreImagesResponse(
        scores_uri=response.scores_uri, embeddings_uri=response.embeddings_uri, count=8
    )
    error = refused(stub(working).Classify, pb.ClassifyRequest(model="parts"))
    assert "--role work" in str(error)
    inference = open_inference_pb2_grpc.GRPCInferenceServiceStub(working.channel)
    refused(inference.ServerReady, open_inference_pb2.ServerReadyRequest())
    refused(inference.ModelInfer, open_inference_pb2.ModelInferRequest(model_name="parts"))
    loaded = {region.path for region in psutil.Process(working.process.pid).memory_maps()}
    assert not [path for path in loaded if "tensorflow" in path or "openvino" in path]  # its workers have them


def test_both_say_which_classifiers_there_are(serving: Service, working: Service) -> None:
    for service in (serving, working):
        listing = stub(service).ListClassifiers(pb.ListClassifiersRequest(), timeout=PATIENT_S)
        assert [c.name for c in listing.classifiers] == ["parts"]
        assert stub(service).GetClassifier(pb.GetClassifierRequest(model="parts")).classifier.version == "1"


def test_health_lists_what_a_role_serves(serving: Service, working: Service) -> None:
    assert listed(serving) == {"", CLASSIFIER, INFERENCE}
    assert listed(working) == {"", CLASSIFIER, OPERATIONS}


def test_what_serves_is_rolled_while_work_goes_on(store: ObjectStore, working: Service) -> None:
    operation = stub(working).ScoreImages(
        pb.ScoreImagesRequest(
            request_id="rolled", model="parts/1", manifest_uri=make_dataset(store, "more", each=40),
            output_prefix="scores/y",
        ),
        timeout=PATIENT_S,
    )  # fmt: skip
    for _ in range(2):
        with Service("services.classifier", store.url, "--role", "serve", "--poll-s", "0") as replica:
            assert classify(replica).model_version == "1"
    assert wait_for(working.channel, operation, timeout_s=PATIENT_S).count == 80
    assert read_record(store, "classifier", operation.name.partition("/")[2]).restarts == 0


def test_a_role_that_is_none_stops_the_start(store: ObjectStore) -> None:
    with pytest.raises(AssertionError, match="exit code 3"):
        Service("services.classifier", store.url, "--role", "train")
