"""The explainer over a real channel, on a classifier that the classifier's service trained."""

import io
import json
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from PIL import Image

from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.explainer.v1 import explainer_pb2 as pb
from defectory.api.explainer.v1 import explainer_pb2_grpc
from defectory.datasets.manifest import read_manifest
from defectory.errors import DefectoryError, InvalidInput, NotFound, Refused
from defectory.serving.operations.client import wait_for
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from tests.contract.datasets import make_dataset
from tests.contract.running import Service


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    return open_store(f"file://{tmp_path_factory.mktemp('explainer')}/store")


@pytest.fixture(scope="module")
def manifest(store: ObjectStore) -> str:
    return make_dataset(store, size_px=96)


@pytest.fixture(scope="module")
def classified(store: ObjectStore, manifest: str) -> dict[str, classifier_pb2.Classification]:
    """Trains the classifier and gives its own answers, by URI."""
    settings = classifier_pb2.TrainingSettings(
        initial_weights="random", width_multiplier=0.35, head_units=16, epochs=1, batch=8, learning_rate=1e-3
    )
    with Service("services.classifier", store.url) as service:
        stub = classifier_pb2_grpc.ClassifierServiceStub(service.channel)
        request = classifier_pb2.TrainClassifierRequest(
            request_id="t", manifest_uri=manifest, name="judge", settings=settings, cycles=1
        )
        wait_for(service.channel, stub.TrainClassifier(request))
        uris = [line.uri for line in read_manifest(store, manifest)]
        images = [classifier_pb2.ImageSource(uri=uri) for uri in uris]
        answer = stub.Classify(classifier_pb2.ClassifyRequest(model="judge", images=images))
        return dict(zip(uris, answer.classifications, strict=True))


@pytest.fixture(scope="module")
def service(store: ObjectStore, classified: dict) -> Iterator[Service]:
    with Service("services.explainer", store.url) as running:
        yield running


@pytest.fixture(scope="module")
def stub(service: Service) -> explainer_pb2_grpc.ExplainerServiceStub:
    return explainer_pb2_grpc.ExplainerServiceStub(service.channel)


def fails(call, request) -> DefectoryError:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=60)
    return error_from_rpc(caught.value)


def test_explain_one(stub, classified: dict) -> None:
    uri, answer = next(iter(classified.items()))
    for label in ("", "good", "defect"):
        found = stub.Explain(pb.ExplainRequest(model="judge", image=classifier_pb2.ImageSource(uri=uri), label=label))
        assert found.predicted_label == answer.label
        for name, p in answer.probabilities.items():
            assert found.probabilities[name] == pytest.approx(p, abs=1e-5)
        assert found.label == (label or answer.label)
        heat = np.asarray(Image.open(io.BytesIO(found.heatmap)))
        assert heat.shape == (96, 96)
        assert heat.max() in (0, 255) or heat.max() > 128
        assert Image.open(io.BytesIO(found.overlay)).size == (288, 288)
        for box in found.boxes:
            inside = heat[box.y : box.y + box.height, box.x : box.x + box.width]
            assert inside.max() >= 0.15 * heat.max()


def test_explain_many(service: Service, stub, store: ObjectStore, manifest: str, classified: dict) -> None:
    request = pb.ExplainImagesRequest(
        request_id="m", models=["judge", "judge/1"], manifest_uri=manifest, limit=4, output_prefix="runs/r/explain"
    )
    response = wait_for(service.channel, stub.ExplainImages(request))
    rows = [json.loads(line) for line in store.get(store.key(response.explanations_uri)).splitlines()]
    assert response.count == 4
    assert len(rows) == 8
    assert sorted(row["label"] for row in rows[:4]) == ["defect", "defect", "good", "good"]
    for row in rows:
        assert row["predicted"] == classified[row["uri"]].label
        for key in ("overlay_uri", "heatmap_uri"):
            assert store.get(store.key(row[key])).startswith(b"\x89PNG")


def test_refusals(stub, store: ObjectStore, manifest: str, classified: dict) -> None:
    image = classifier_pb2.ImageSource(uri=next(iter(classified)))
    explain = stub.Explain
    assert isinstance(fails(explain, pb.ExplainRequest(model="none", image=image)), NotFound)
    assert "label" in fails(explain, pb.ExplainRequest(model="judge", image=image, label="x")).fields
    assert "box_threshold" in fails(explain, pb.ExplainRequest(model="judge", image=image, box_threshold=1)).fields
    for content in (b"", b"no image"):
        source = classifier_pb2.ImageSource(content=content)
        assert isinstance(fails(explain, pb.ExplainRequest(model="judge", image=source)), InvalidInput)
    outside = classifier_pb2.ImageSource(uri="file:///etc/passwd")
    assert isinstance(fails(explain, pb.ExplainRequest(model="judge", image=outside)), Refused)
    many = {"request_id": "x", "models": ["judge"], "manifest_uri": manifest, "output_prefix": "p"}
    for change, kind in (
        ({"models": []}, InvalidInput),
        ({"models": ["none"]}, NotFound),
        ({"manifest_uri": store.uri("none")}, NotFound),
        ({"output_prefix": "../x"}, InvalidInput),
        ({"limit": -1}, InvalidInput),
    ):
        assert isinstance(fails(stub.ExplainImages, pb.ExplainImagesRequest(**{**many, **change})), kind)
