"""The classifier over a real channel: trains, resumes, evaluates, scores, classifies, refuses."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image

from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.classifier.v1 import classifier_pb2_grpc
from defectory.datasets.manifest import dump_lines, read_manifest
from defectory.errors import DefectoryError, FailedPrecondition, InvalidInput, NotFound, Refused
from defectory.serving.operations.client import wait_for
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from tests.contract import pictures
from tests.contract.datasets import make_dataset, with_bad_files
from tests.contract.running import Service
from tests.patience import PATIENT_S

BAD_FILES = len(pictures.bad()) + 2  # of `with_bad_files`, in every split
SMALL = pb.TrainingSettings(
    recipe="paper",
    initial_weights="random",
    width_multiplier=0.35,
    head_units=16,
    epochs=2,
    batch=8,
    learning_rate=1e-3,
    target="recall=0.9",
    warmup_epochs=1,
    augment=0.5,
    class_balance=0.5,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    return open_store(f"file://{tmp_path_factory.mktemp('classifier')}/store")


@pytest.fixture(scope="module")
def manifest(store: ObjectStore) -> str:
    """24 images, and beside them files that no call must stumble over."""
    return with_bad_files(store, make_dataset(store))


@pytest.fixture(scope="module")
def service(store: ObjectStore) -> Iterator[Service]:
    with Service("services.classifier", store.url) as running:
        yield running


@pytest.fixture(scope="module")
def stub(service: Service) -> classifier_pb2_grpc.ClassifierServiceStub:
    return classifier_pb2_grpc.ClassifierServiceStub(service.channel)


def train_request(manifest: str, request_id: str, name: str = "judge", **others) -> pb.TrainClassifierRequest:
    fields = {"settings": SMALL, "cycles": 2, "seed": 7, **others}
    return pb.TrainClassifierRequest(request_id=request_id, manifest_uri=manifest, name=name, **fields)


@pytest.fixture(scope="module")
def trained(service: Service, stub: classifier_pb2_grpc.ClassifierServiceStub, manifest: str) -> pb.Classifier:
    return wait_for(service.channel, stub.TrainClassifier(train_request(manifest, "t1"))).classifier


def fails(call, request) -> DefectoryError:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=PATIENT_S)
    return error_from_rpc(caught.value)


def test_training_leaves_a_whole_bundle(trained: pb.Classifier, store: ObjectStore, stub) -> None:
    metrics = json.loads(store.get(store.key(trained.metrics_uri)))
    assert len(metrics["skipped"]) == 3 * BAD_FILES
    assert [len(c["epochs"]) for c in metrics["cycles"]] == [2, 2]
    assert [c["seed"] for c in metrics["cycles"]] == [7, 8]
    for cycle in metrics["cycles"]:
        best = max(cycle["epochs"], key=lambda e: (e["validation"]["f1"], -e["validation"]["loss"]))
        assert cycle["best_epoch"] == best["epoch"]
        assert set(best["test"]) == {"loss", "accuracy", "precision", "recall", "f1"}
    assert set(metrics["summary"]) == {"train", "validation", "test"}
    for split, measures in metrics["summary"].items():
        for name, said in measures.items():
            values = np.array([c["epochs"][c["best_epoch"] - 1][split][name] for c in metrics["cycles"]])
            assert said["mean"] == pytest.approx(values.mean()), (split, name)
            assert (said["low"], said["high"]) == (None, None), "two cycles have no interval"
    card = json.loads(store.get(store.key(trained.card_uri)))
    assert card["appearance"]["images"] == 12, "the readable photographs of the training split"
    means = {name: card["appearance"][name]["mean"] for name in ("brightness", "sharpness")}
    assert 150 < means["brightness"] < 185  # grain of 150 to 219, and in half of them a dark ninth
    assert means["sharpness"] > 30  # neighbours that know nothing of each other
    assert 0 <= card["calibration"]["doubtful"] <= 1
    assert list(trained.labels) == ["defect", "good"]
    assert stub.GetClassifier(pb.GetClassifierRequest(model="judge")).classifier == trained
    assert trained in stub.ListClassifiers(pb.ListClassifiersRequest()).classifiers
    assert not any("checkpoint" in info.key for info in store.list("models/"))


def test_a_classifier_says_where_its_base_started(
    service: Service,
    stub: classifier_pb2_grpc.ClassifierServiceStub,
    store: ObjectStore,
    manifest: str,
    trained: pb.Classifier,
) -> None:
    settings = pb.TrainingSettings(
        initial_weights="starter", trainable_base="none", head_units=16, epochs=1, batch=8, input_px=32
    )
    request = train_request(manifest, "t-starter", "started", settings=settings, cycles=1)
    classifier = wait_for(service.channel, stub.TrainClassifier(request)).classifier
    lineage = json.loads(store.get(store.key(classifier.card_uri)))["lineage"]
    assert (trained.initial_weights, classifier.initial_weights, lineage["initial_weights"]) == (
        "random",
        "starter",
        "starter",
    )
    assert len(lineage["initial_weights_sha256"]) == 64


def test_the_same_seed_gives_the_same_weights_even_after_a_kill(
    trained: pb.Classifier, store: ObjectStore, manifest: str
) -> None:
    with Service("services.classifier", store.url) as first:
        stub = classifier_pb2_grpc.ClassifierServiceStub(first.channel)
        stub.TrainClassifier(train_request(manifest, "t2", "again"))
        deadline = time.monotonic() + PATIENT_S
        while not store.exists("models/classifier/again/1/cycle-0.json") and time.monotonic() < deadline:
            time.sleep(0.05)
        first.kill()
    assert not store.exists("models/classifier/again/1/model.json")
    with Service("services.classifier", store.url) as second:
        stub = classifier_pb2_grpc.ClassifierServiceStub(second.channel)
        again = wait_for(second.channel, stub.TrainClassifier(train_request(manifest, "t2", "again"))).classifier
    assert again.weights_sha256 == trained.weights_sha256
    first_metrics, second_metrics = (store.get(store.key(c.metrics_uri)) for c in (trained, again))
    assert first_metrics == second_metrics


@pytest.mark.slow
def test_cycles_side_by_side_are_those_one_after_the_other(
    trained, service: Service, stub, store: ObjectStore, manifest: str
) -> None:
    request = train_request(manifest, "t3", "beside", at_once=2)
    beside = wait_for(service.channel, stub.TrainClassifier(request)).classifier
    card, other = (json.loads(store.get(store.key(c.card_uri))) for c in (beside, trained))
    assert [c["seed"] for c in card["cycles"]] == [7, 8]
    assert card["cycles"] == other["cycles"]  # with the hashes of their weights
    assert card["metrics"] == other["metrics"]


def test_evaluation_agrees_with_scores(trained, service: Service, stub, store: ObjectStore, manifest: str) -> None:
    request = pb.EvaluateClassifierRequest(request_id="e1", model="judge", manifest_uri=manifest)
    evaluated = wait_for(service.channel, stub.EvaluateClassifier(request))
    document = json.loads(store.get(store.key(evaluated.evaluation_uri)))
    assert (len(document["images"]), len(document["skipped"])) == (6, BAD_FILES)
    score = pb.ScoreImagesRequest(request_id="s1", model="judge/1", manifest_uri=manifest, output_prefix="scores/x")
    scored = wait_for(service.channel, stub.ScoreImages(score))
    rows = {r["sha256"]: r for r in map(json.loads, store.get(store.key(scored.scores_uri)).splitlines())}
    embeddings = np.load(io.BytesIO(store.get(store.key(scored.embeddings_uri))), allow_pickle=False)
    assert embeddings.shape == (24, 1280)
    assert scored.count == len(rows) == 24
    temperature = json.loads(store.get(store.key(trained.card_uri)))["calibration"]["temperature"]
    for image in document["images"]:
        own = np.array(image["probabilities"])
        mean, by_cycle = (
            x / x.sum(axis=-1, keepdims=True) for x in (y ** (1 / temperature) for y in (own.mean(0), own))
        )
        row = rows[image["sha256"]]
        np.testing.assert_allclose(list(row["probabilities"].values()), mean, atol=2e-5)
        np.testing.assert_allclose(list(row["spread"].values()), by_cycle.std(axis=0), atol=2e-5)
    truth = np.array([document["labels"].index(i["label"]) for i in document["images"]])
    first = np.array([i["probabilities"][0] for i in document["images"]])
    assert document["cycles"][0]["metrics"]["accuracy"] == pytest.approx((first.argmax(1) == truth).mean())
    assert evaluated.metrics["accuracy"] == pytest.approx(document["summary"]["accuracy"]["mean"])


def test_good_parts_are_remembered_and_others_compared(
    service: Service, stub, store: ObjectStore, manifest: str
) -> None:
    request = pb.ScoreAnomaliesRequest(
        request_id="a1", manifest_uri=manifest, splits=["validation", "test"], settings=SMALL, cycles=2, patches=20,
        output_prefix="anomalies/x",
    )  # fmt: skip
    uris = wait_for(service.channel, stub.ScoreAnomalies(request)).evaluation_uris
    assert set(uris) == {"validation", "test"}
    document = json.loads(store.get(store.key(uris["test"])))
    assert [len(image["probabilities"]) for image in document["images"]] == [2] * 6


def test_what_a_factory_asks_is_in_the_card_and_measured(
    trained, service: Service, stub, store: ObjectStore, manifest: str
) -> None:
    card = json.loads(store.get(store.key(trained.card_uri)))
    point = card["operating_point"]
    assert (point["good"], point["target"], point["target_value"]) == ("good", "recall", 0.9)
    assert point["validation"]["escape"]["count"] == 0  # of three defects one is more than a tenth
    assert point["validation"]["escape"]["of"] == point["validation"]["overkill"]["of"] == 3
    assert card["calibration"]["validation"]["images"] == card["calibration"]["test"]["images"] == 6
    assert store.get("models/classifier/judge/1/reliability.svg").startswith(b"<svg")
    request = pb.EvaluateClassifierRequest(request_id="e2", model="judge/1", manifest_uri=manifest)
    evaluated = wait_for(service.channel, stub.EvaluateClassifier(request))
    document = json.loads(store.get(store.key(evaluated.evaluation_uri)))
    main = np.array([image["probabilities"][document["main_cycle"]] for image in document["images"]])
    sharper = main ** (1 / card["calibration"]["temperature"])  # the softmax of divided logits
    defect = (sharper / sharper.sum(axis=1, keepdims=True))[:, 0]
    defective = np.array([image["label"] == "defect" for image in document["images"]])
    assert evaluated.metrics["escape"] == pytest.approx((defect[defective] < point["threshold"]).mean())
    assert evaluated.metrics["overkill"] == pytest.approx((defect[~defective] >= point["threshold"]).mean())
    assert point["test"] == document["operating_point"]["measured"]


def test_calibration_makes_a_new_version_of_the_same_weights(
    trained, service: Service, stub, store: ObjectStore, manifest: str
) -> None:
    copy(store, "tuned")
    request = pb.CalibrateClassifierRequest(
        request_id="c1", model="tuned", manifest_uri=manifest, target="overkill=0.0"
    )
    calibrated = wait_for(service.channel, stub.CalibrateClassifier(request)).classifier
    assert (calibrated.version, calibrated.weights_sha256) == ("2", trained.weights_sha256)
    card = json.loads(store.get(store.key(calibrated.card_uri)))
    assert card["operating_point"]["validation"]["overkill"]["count"] == 0
    assert card["lineage"]["calibrated_from"] == "tuned/1"
    assert len(stub.Classify(pb.ClassifyRequest(
        model="tuned", images=[pb.ImageSource(uri=read_manifest(store, manifest)[0].file.uri)]
    )).classifications) == 1  # fmt: skip
    for change, field in (({"target": "recall=2"}, "settings.target"), ({"good_label": "fine", "target": "recall=1"},
                                                                      "settings.good_label")):  # fmt: skip
        bad = pb.CalibrateClassifierRequest(request_id="c2", model="tuned", manifest_uri=manifest, **change)
        error = fails(stub.CalibrateClassifier, bad)
        assert isinstance(error, InvalidInput)
        assert field in error.fields
    none = pb.CalibrateClassifierRequest(request_id="c3", model="none", manifest_uri=manifest)
    assert isinstance(fails(stub.CalibrateClassifier, none), NotFound)


def test_an_export_says_how_far_it_agrees(trained, service: Service, stub, store: ObjectStore) -> None:
    request = pb.ExportClassifierRequest(request_id="x1", model="judge/1", format="onnx")
    exported = wait_for(service.channel, stub.ExportClassifier(request))
    assert [store.key(uri).removeprefix(store.key(exported.uri) + "/") for uri in exported.files] == [
        "model.onnx",
        "example.png",
        "export.json",
    ]
    assert store.get(store.key(exported.files[0]))[:2] == b"\x08\x08"  # ONNX's IR version
    assert (exported.images, exported.agreement) == (6, 1.0)
    assert exported.accuracy == exported.exported_accuracy
    assert exported.max_difference < 1e-4
    error = fails(stub.ExportClassifier, pb.ExportClassifierRequest(request_id="x2", model="judge", format="h5"))
    assert isinstance(error, InvalidInput)
    assert "format" in error.fields


def test_classify_bytes_and_uris_alike(trained, stub, store: ObjectStore, manifest: str) -> None:
    line = read_manifest(store, manifest)[0]
    sources = [pb.ImageSource(content=store.get(store.key(line.file.uri))), pb.ImageSource(uri=line.file.uri)]
    answer = stub.Classify(pb.ClassifyRequest(model="judge", images=sources))
    first, second = answer.classifications
    assert first == second
    assert sum(first.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert first.probabilities[first.label] == max(first.probabilities.values())
    assert answer.model_version == "1"


def test_classify_refuses_what_is_no_image(trained, stub, store: ObjectStore, manifest: str) -> None:
    good = store.get(store.key(read_manifest(store, manifest)[0].file.uri))
    bomb = io.BytesIO()
    Image.new("L", (20_000, 6_000)).save(bomb, "PNG")
    for content in (b"", b"text", good[: len(good) // 2], bomb.getvalue()):
        request = pb.ClassifyRequest(model="judge", images=[pb.ImageSource(content=content)])
        error = fails(stub.Classify, request)
        assert isinstance(error, InvalidInput)
        assert "images[0]" in error.fields
    for source, kind in (
        (pb.ImageSource(uri="file:///etc/passwd"), Refused),
        (pb.ImageSource(uri=store.uri("datasets/none.png")), NotFound),
    ):
        assert isinstance(fails(stub.Classify, pb.ClassifyRequest(model="judge", images=[source])), kind)
    assert isinstance(fails(stub.Classify, pb.ClassifyRequest(model="judge")), InvalidInput)
    some = [pb.ImageSource(content=good)]
    assert isinstance(fails(stub.Classify, pb.ClassifyRequest(model="none", images=some)), NotFound)
    assert isinstance(fails(stub.Classify, pb.ClassifyRequest(model="../x", images=some)), InvalidInput)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "No Name"}, "name"),
        ({"seed": -1}, "seed"),
        ({"cycles": 101}, "cycles"),
        ({"at_once": 65}, "at_once"),
        ({"settings": pb.TrainingSettings(epochs=-1)}, "settings.epochs"),
        ({"settings": pb.TrainingSettings(dropout=1.0)}, "settings.dropout"),
        ({"settings": pb.TrainingSettings(input_px=8)}, "settings.input_px"),
        ({"settings": pb.TrainingSettings(trainable_base="some")}, "settings.trainable_base"),
        ({"settings": pb.TrainingSettings(recipe="bold")}, "settings.recipe"),
        ({"settings": pb.TrainingSettings(target="recall=2")}, "settings.target"),
        ({"settings": pb.TrainingSettings(target="recall=1", good_label="fine")}, "settings.good_label"),
        ({"settings": pb.TrainingSettings(epochs=3, warmup_epochs=4)}, "settings.warmup_epochs"),
        ({"settings": pb.TrainingSettings(augment=1.5)}, "settings.augment"),
        ({"settings": pb.TrainingSettings(decay="slow")}, "settings.decay"),
        ({"settings": pb.TrainingSettings(width_multiplier=0.6)}, "settings.width_multiplier"),
        ({"settings": pb.TrainingSettings(l2=float("inf"))}, "settings.l2"),
        ({"settings": pb.TrainingSettings(focal_gamma=float("inf"))}, "settings.focal_gamma"),
        ({"request_id": "no good id"}, "request_id"),
    ],
)
def test_training_refuses_settings_out_of_range(stub, manifest: str, change: dict, field: str) -> None:
    error = fails(stub.TrainClassifier, train_request(manifest, **{"request_id": "bad", **change}))
    assert isinstance(error, InvalidInput)
    assert field in error.fields


def test_training_refuses_test_images(stub, store: ObjectStore, manifest: str) -> None:
    lines = read_manifest(store, manifest)
    held = next(line for line in lines if line.split == "test")
    for leak in (replace(held, group=""), replace(held, file=replace(held.file, sha256="0" * 64))):
        store.put("leak.jsonl", dump_lines([*lines, replace(leak, split="train")]))
        error = fails(stub.TrainClassifier, train_request(store.uri("leak.jsonl"), "leak"))
        assert isinstance(error, InvalidInput)
        assert "test set" in str(error)
    one_label = [line for line in lines if line.label == "good"]
    store.put("one.jsonl", dump_lines(one_label))
    assert isinstance(fails(stub.TrainClassifier, train_request(store.uri("one.jsonl"), "one")), InvalidInput)
    assert isinstance(fails(stub.TrainClassifier, train_request(store.uri("none.jsonl"), "none")), NotFound)


def copy(store: ObjectStore, name: str, **changes) -> None:
    """The model "judge" under another name, with other fields in its card."""
    for info in list(store.list("models/classifier/judge/1/")):
        store.put(info.key.replace("judge", name), store.get(info.key))
    card = json.loads(store.get(f"models/classifier/{name}/1/model.json"))
    store.put(f"models/classifier/{name}/1/model.json", json.dumps({**card, "name": name, **changes}).encode())


def test_a_damaged_bundle_is_refused(trained, stub, store: ObjectStore, manifest: str) -> None:
    image = [pb.ImageSource(uri=read_manifest(store, manifest)[0].file.uri)]
    copy(store, "unknown", surprise=1)
    architecture = json.loads(store.get("models/classifier/judge/1/model.json"))["architecture"]
    copy(store, "resized", architecture={**architecture, "head_units": 8})
    copy(store, "damaged")
    for info in list(store.list("models/classifier/damaged/1/cycle")):
        store.put(info.key, store.get(info.key)[:-1] + b"x")
    for name in ("unknown", "resized", "damaged"):
        error = fails(stub.Classify, pb.ClassifyRequest(model=name, images=image))
        assert not isinstance(error, InvalidInput | NotFound), error
        assert name in str(error)
        assert "internal" not in str(error)


def test_weights_that_are_not_to_be_had(store: ObjectStore, manifest: str, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "KERAS_HOME": str(tmp_path), "DEFECTORY_SHARED": str(tmp_path)}
    with Service("services.classifier", store.url, "--weights", f"{tmp_path}/none.h5", environ=environ) as service:
        stub = classifier_pb2_grpc.ClassifierServiceStub(service.channel)
        settings = pb.TrainingSettings(epochs=1)
        operation = stub.TrainClassifier(train_request(manifest, "w1", "w", settings=settings))
        with pytest.raises((InvalidInput, FailedPrecondition), match="weights"):
            wait_for(service.channel, operation)
