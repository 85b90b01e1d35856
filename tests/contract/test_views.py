"""A document of decisions stands for a manifest, over a real channel: a fold is trained on and tested by its URI."""

from pathlib import Path

from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.classifier.v1 import classifier_pb2_grpc
from defectory.datasets.folds import write_folds
from defectory.datasets.manifest import content_hash, read_manifest
from defectory.serving.operations.client import wait_for
from defectory.storage import open_store
from defectory.storage.references import read_json
from tests.contract.datasets import make_dataset
from tests.contract.running import Service

SMALL = pb.TrainingSettings(
    recipe="best", initial_weights="random", input_px=32, width_multiplier=0.35, head_units=8, epochs=1, batch=8
)


def test_a_classifier_is_trained_and_tested_on_a_fold(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    manifest = make_dataset(store)
    lines = read_manifest(store, manifest)
    _, fold, _ = write_folds(store, "parts", lines, 3, seed=1)
    tested = {line.file.sha256 for line in read_manifest(store, fold) if line.split == "test"}
    assert tested != {line.file.sha256 for line in lines if line.split == "test"}
    with Service("services.classifier", store.url) as service:
        stub = classifier_pb2_grpc.ClassifierServiceStub(service.channel)
        request = pb.TrainClassifierRequest(
            request_id="t", name="folded", manifest_uri=fold, cycles=1, seed=1, settings=SMALL
        )
        trained = wait_for(service.channel, stub.TrainClassifier(request)).classifier
        asked = pb.EvaluateClassifierRequest(request_id="e", model="folded", manifest_uri=fold)
        evaluated = wait_for(service.channel, stub.EvaluateClassifier(asked))
    lineage = read_json(store, trained.card_uri)["lineage"]
    assert (lineage["manifest_uri"], lineage["content_hash"]) == (fold, content_hash(read_manifest(store, fold)))
    rows = read_json(store, evaluated.evaluation_uri)["images"]
    assert {row["sha256"] for row in rows} == tested
