"""The filter over a real channel, with a real classifier as its judge."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace

import grpc
import numpy as np
import pytest

from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.api.filter.v1 import filter_pb2 as pb
from defectory.api.filter.v1 import filter_pb2_grpc
from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.errors import DefectoryError, FailedPrecondition, InvalidInput, NotFound, Unavailable
from defectory.serving.operations.client import wait_for
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from defectory.storage.references import read_json
from services.filter.judge_lineage import doubts
from tests.contract.datasets import make_dataset
from tests.contract.running import Service
from tests.patience import PATIENT_S


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    return open_store(f"file://{tmp_path_factory.mktemp('filter')}/store")


@pytest.fixture(scope="module")
def real(store: ObjectStore) -> str:
    return make_dataset(store)


@pytest.fixture(scope="module")
def classifier(store: ObjectStore, real: str) -> Iterator[Service]:
    settings = classifier_pb2.TrainingSettings(
        recipe="best", input_px=32, initial_weights="random", width_multiplier=0.35, head_units=16, epochs=1, batch=8
    )
    with Service("services.classifier", store.url) as service:
        stub = classifier_pb2_grpc.ClassifierServiceStub(service.channel)
        request = classifier_pb2.TrainClassifierRequest(
            request_id="t", manifest_uri=real, name="judge", settings=settings, cycles=2, folds=2
        )
        with pytest.raises(grpc.RpcError, match="folds 1"):
            stub.TrainClassifier(
                classifier_pb2.TrainClassifierRequest(**{"manifest_uri": real, "name": "x", "folds": 1})
            )
        with pytest.raises(grpc.RpcError, match="folds 6: use at most as many as cycles, 5"):
            stub.TrainClassifier(
                classifier_pb2.TrainClassifierRequest(**{"manifest_uri": real, "name": "x", "folds": 6})
            )
        wait_for(service.channel, stub.TrainClassifier(request))
        yield service


@pytest.fixture(scope="module")
def service(store: ObjectStore, classifier: Service) -> Iterator[Service]:
    with Service("services.filter", store.url, "--classifier-address", classifier.address) as running:
        yield running


def synthetic(store: ObjectStore, name: str, seed: int, split: str = "train", copied: int = 0) -> str:
    """A dataset of new images, the last of which copy real ones of the split, and one that cannot be read."""
    new = read_manifest(store, make_dataset(store, name, seed=seed, each=6))
    old = [x for x in read_manifest(store, store.uri("datasets/parts/manifest.jsonl")) if x.split == split]
    lines = [
        replace(line, origin=replace(line.origin, kind="synthetic"), split="none", group="")
        for line in [*new, *old[:copied]]
    ]
    digest = hashlib.sha256(b"no image").hexdigest()
    uri = store.uri(f"datasets/{name}/images/broken.png")
    broken = replace(lines[0], file=replace(lines[0].file, sha256=digest, uri=uri))
    store.put(f"datasets/{name}/images/broken.png", b"no image")
    return write_dataset(store, name, [*lines, broken], {})


def ask(service: Service, judge: str = "judge", **fields) -> pb.FilterImagesResponse:
    stub = filter_pb2_grpc.FilterServiceStub(service.channel)
    try:
        operation = stub.FilterImages(pb.FilterImagesRequest(judge_model=judge, **fields), timeout=PATIENT_S)
    except grpc.RpcError as error:
        raise error_from_rpc(error) from error
    return wait_for(service.channel, operation)


def test_verdicts(service: Service, store: ObjectStore, real: str) -> None:
    synthetic_uri = synthetic(store, "made", seed=5, copied=3)
    response = ask(
        service, request_id="f1", manifest_uri=synthetic_uri, real_manifest_uri=real, policy=pb.POLICY_NONE,
        dataset="judged",
    )  # fmt: skip
    lines = read_manifest(store, response.manifest_uri)
    assert len(lines) == 16
    assert all("near_copy" in line.judgement.reasons for line in lines[12:15])
    assert lines[15].judgement.reasons == ("unreadable",)
    train = {x.file.sha256 for x in read_manifest(store, real) if x.split == "train"}
    for line in lines[:15]:
        assert line.judgement.nearest_real in train
        assert np.isclose(sum(line.judgement.scores.values()), 1, atol=1e-4)
        assert line.judgement.spread >= 0
        assert 0 <= line.judgement.feature_distance <= 2
    assert response.verdicts["accepted"] == sum(line.judgement.verdict == "accepted" for line in lines) > 0
    assert response.reasons["near_copy"] >= 3
    curve = json.loads(store.get(store.key(response.curve_uri)))
    assert len(curve["thresholds"]) == len(curve["kept"]["good"]) == len(curve["real"]["good"]) == 101
    card = json.loads(store.get("datasets/judged/dataset.json"))
    assert 0 < card["limits"]["copy_correlation"] < card["limits"]["leak_correlation"] < 1
    assert card["warnings"] == list(response.warnings) == []  # the judge is cross-fitted
    second = ask(
        service, request_id="f2", manifest_uri=synthetic_uri, real_manifest_uri=real, policy=pb.POLICY_NONE,
        dataset="again", accepted_manifest_uris=[response.manifest_uri],
    )  # fmt: skip
    assert second.verdicts.get("accepted", 0) == 0


def test_a_judge_that_knows_the_real_images_is_told(store: ObjectStore, real: str, service: Service) -> None:
    lines = read_manifest(store, real)
    card = json.loads(store.get("models/classifier/judge/1/model.json"))
    card["settings"]["folds"] = 0
    store.put("models/classifier/knowing/1/model.json", json.dumps(card).encode())
    (doubt,) = doubts(store, "knowing/1", lines)
    assert "judge knowing/1 is not cross-fitted, and knows 12 of the real training images" in doubt
    assert doubts(store, "judge/1", lines) == []
    assert doubts(store, "knowing/1", read_manifest(store, make_dataset(store, "others", seed=9))) == []
    card["lineage"]["manifest_uri"] = store.uri("datasets/gone/manifest.jsonl")
    store.put("models/classifier/knowing/2/model.json", json.dumps(card).encode())
    assert doubts(store, "knowing/2", lines) == []


def test_confidence_and_its_complement(service: Service, store: ObjectStore, real: str) -> None:
    synthetic_uri = synthetic(store, "more", seed=6)
    counts = []
    for policy in (pb.POLICY_CONFIDENT, pb.POLICY_INFORMATIVE):
        name = pb.Policy.Name(policy).lower().replace("_", "-")
        response = ask(
            service, request_id=name, manifest_uri=synthetic_uri, real_manifest_uri=real, policy=policy, dataset=name,
            novelty_gate=False, threshold=0.5,
        )  # fmt: skip
        counts.append(response.verdicts.get("accepted", 0))
    assert sum(counts) == 12


def test_without_the_gate_copies_are_told_and_kept(service: Service, store: ObjectStore, real: str) -> None:
    synthetic_uri = synthetic(store, "ungated", seed=5, copied=3)
    response = ask(
        service, request_id="ungated", manifest_uri=synthetic_uri, real_manifest_uri=real, policy=pb.POLICY_NONE,
        dataset="ungated-judged", novelty_gate=False,
    )  # fmt: skip
    lines = read_manifest(store, response.manifest_uri)[12:15]
    assert [(line.judgement.verdict, line.judgement.nearest_real) for line in lines] == [
        ("accepted", line.file.sha256) for line in lines
    ]


@pytest.mark.parametrize("gate", [True, False])
def test_copies_of_test_images_stop_the_run(service: Service, store: ObjectStore, real: str, gate: bool) -> None:
    synthetic_uri = synthetic(store, "leaked", seed=7, split="test", copied=2)
    with pytest.raises(FailedPrecondition, match="test images"):
        ask(
            service, request_id=f"leak{gate}", manifest_uri=synthetic_uri, real_manifest_uri=real, dataset="leak",
            novelty_gate=gate,
        )  # fmt: skip
    assert not store.exists("datasets/leak/dataset.json")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"dataset": "No"}, InvalidInput),
        ({"threshold": 2}, InvalidInput),
        ({"policy": 99}, InvalidInput),
        ({"policy": pb.POLICY_BAND, "threshold": 0.1, "lower_threshold": 0.2}, InvalidInput),
        ({"label_thresholds": {"good": -1}}, InvalidInput),
        ({"manifest_uri": "none"}, DefectoryError),
        ({"request_id": ""}, InvalidInput),
    ],
)
def test_refusals(service: Service, store: ObjectStore, real: str, change: dict, kind: type) -> None:
    with pytest.raises(kind):
        ask(service, **{"request_id": "r", "manifest_uri": real, "real_manifest_uri": real, "dataset": "x", **change})


def test_labels_that_the_judge_does_not_know(service: Service, store: ObjectStore, real: str) -> None:
    synthetic_uri = synthetic(store, "odd", seed=8)
    with pytest.raises(InvalidInput, match="label_thresholds: there is no label dent"):
        ask(
            service, request_id="odd1", manifest_uri=synthetic_uri, real_manifest_uri=real, dataset="odd1",
            label_thresholds={"dent": 0.5},
        )  # fmt: skip
    lines = [replace(x, label="dent") for x in read_manifest(store, synthetic_uri)]
    renamed = write_dataset(store, "renamed", lines, {})
    with pytest.raises(InvalidInput, match="the judge knows defect, good"):
        ask(service, request_id="odd2", manifest_uri=renamed, real_manifest_uri=real, dataset="odd2")


def test_kinds_of_defect_go_the_whole_way(service: Service, classifier: Service, store: ObjectStore) -> None:
    """Trained, calibrated, evaluated, judged and explained with three labels, as with two."""
    labels = ("defect", "good", "stripe")
    kinds = make_dataset(store, "kinds", labels=labels)
    stub = classifier_pb2_grpc.ClassifierServiceStub(classifier.channel)
    settings = classifier_pb2.TrainingSettings(
        recipe="best",
        input_px=96,
        initial_weights="starter",
        width_multiplier=1.0,
        head_units=16,
        epochs=5,
        batch=8,
        target="recall=0.9",
        learning_rate=1e-3,
    )
    trained = wait_for(
        classifier.channel,
        stub.TrainClassifier(
            classifier_pb2.TrainClassifierRequest(
                request_id="k", manifest_uri=kinds, name="kinds", settings=settings, cycles=2, folds=2
            )
        ),
    ).classifier
    assert tuple(trained.labels) == labels
    wait_for(
        classifier.channel,
        stub.CalibrateClassifier(
            classifier_pb2.CalibrateClassifierRequest(
                request_id="kc", model="kinds", manifest_uri=kinds, target="overkill=0"
            )
        ),
    )
    card = json.loads(store.get("models/classifier/kinds/2/model.json"))
    assert card["operating_point"]["validation"]["overkill"]["count"] == 0

    response = wait_for(
        classifier.channel,
        stub.EvaluateClassifier(
            classifier_pb2.EvaluateClassifierRequest(request_id="ke", model="kinds", manifest_uri=kinds)
        ),
    )
    evaluation = read_json(store, response.evaluation_uri)
    images = [x for x in evaluation["images"] if not x["augmentation"]]
    fair = np.array([x["probabilities"][card["main_cycle"]] for x in images]) ** (
        1 / card["calibration"]["temperature"]
    )
    fair /= fair.sum(axis=1, keepdims=True)
    rejected = 1 - fair[:, 1] >= card["operating_point"]["threshold"]
    taken = np.where(rejected, np.where(fair[:, 0] >= fair[:, 2], 0, 2), 1)
    truth = np.array([labels.index(x["label"]) for x in images])
    decisions = evaluation["decisions"]
    assert decisions["confusion"] == [[int(((truth == a) & (taken == b)).sum()) for b in range(3)] for a in range(3)]
    assert {label: x["images"] for label, x in decisions["labels"].items()} == dict.fromkeys(labels, 3)
    escapes = {kind: rate["count"] for kind, rate in decisions["escapes"].items()}
    assert escapes == {labels[i]: int((~rejected[truth == i]).sum()) for i in (0, 2)}
    assert evaluation["operating_point"]["measured"]["escape"]["count"] == sum(escapes.values())
    metrics = json.loads(store.get("models/classifier/kinds/2/metrics.json"))
    kept = metrics["decisions"]
    assert kept["test"] == decisions
    assert kept["validation"]["labels"]["good"]["recall"] == 1  # no good part is rejected
    for curve in (evaluation["curves"]["operating"], metrics["curves"]["test"]["operating"]):
        place = np.searchsorted(curve["thresholds"], card["operating_point"]["threshold"])
        assert (curve["missed"][place], curve["defects"]) == (sum(escapes.values()), 6)
        assert curve["false_alarms"][place] == rejected[truth == 1].sum()
    calibrated = evaluation["curves"]["reliability"]["calibrated"]
    assert sum(one["right"] for one in calibrated) == (fair.argmax(axis=1) == truth).sum()
    distance = sum(one["images"] * abs(one["confidence"] - one["accuracy"]) for one in calibrated) / len(truth)
    assert evaluation["calibration"]["ece_after"] == pytest.approx(distance)
    assert metrics["curves"]["validation"]["reliability"]["calibrated"]

    synthetic_lines = [
        replace(line, origin=replace(line.origin, kind="synthetic"), split="none", group="")
        for line in read_manifest(store, make_dataset(store, "kinds-made", seed=33, each=4, labels=labels))
    ]
    manifest = write_dataset(store, "kinds-new", synthetic_lines, {})
    judged = ask(
        service, request_id="kf", manifest_uri=manifest, real_manifest_uri=kinds, dataset="kinds-judged",
        judge="kinds", label_thresholds={"stripe": 0.0},
    )  # fmt: skip
    assert sum(judged.verdicts.values()) == 12
    assert set(read_manifest(store, judged.manifest_uri)[0].judgement.scores) == set(labels)
    assert set(json.loads(store.get(store.key(judged.curve_uri)))["kept"]) == set(labels)

    with Service("services.explainer", store.url) as explainer:
        explain = explainer_pb2_grpc.ExplainerServiceStub(explainer.channel).Explain
        image = classifier_pb2.ImageSource(uri=images[0]["uri"])
        for label in labels:
            explanation = explain(explainer_pb2.ExplainRequest(model="kinds", image=image, label=label))
            assert explanation.label == label
            assert explanation.predicted_label == labels[taken[0]]
            assert set(explanation.probabilities) == set(labels)


def test_a_judge_that_is_calibrated_anew_judges_the_same_images(
    service: Service, classifier: Service, store: ObjectStore, real: str
) -> None:
    synthetic_uri = synthetic(store, "calibrated", seed=11)
    fields = {"manifest_uri": synthetic_uri, "real_manifest_uri": real, "dataset": "calibrated-judged"}
    first = ask(service, request_id="before", **fields)
    calibrate = classifier_pb2_grpc.ClassifierServiceStub(classifier.channel).CalibrateClassifier
    request = classifier_pb2.CalibrateClassifierRequest(request_id="anew", model="judge", manifest_uri=real)
    assert wait_for(classifier.channel, calibrate(request)).classifier.version == "2"
    second = ask(service, request_id="after", **fields)
    assert first.verdicts == second.verdicts  # other probabilities, the same weights: scores are the networks' own


def test_what_is_not_there(service: Service, store: ObjectStore, real: str, classifier: Service) -> None:
    with pytest.raises(NotFound):
        ask(service, request_id="n", manifest_uri=store.uri("none"), real_manifest_uri=real, dataset="x")
    with (
        Service("services.filter", store.url, "--classifier-address", "127.0.0.1:9") as alone,
        pytest.raises(Unavailable),
    ):
        ask(alone, request_id="alone", manifest_uri=real, real_manifest_uri=real, dataset="alone")
