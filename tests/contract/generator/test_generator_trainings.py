"""Training over a real channel: the whole way once, killed, cancelled, from another model; every bad request."""

import time
from dataclasses import replace
from typing import Any

import pytest

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.api.generator.v1 import generator_pb2_grpc
from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.errors import (
    AlreadyExists,
    Cancelled,
    DefectoryError,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    Refused,
)
from defectory.imaging import decode
from defectory.serving.operations.client import cancel, progress_of, wait_for
from defectory.storage import ObjectStore
from services.generator import bundle
from tests.contract.generator.generator_requests import SPLITS, refusal, training
from tests.contract.running import Service
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import make_lines


def test_train_look_and_synthesise(service: Service, stub: Any, store: ObjectStore, manifest: str) -> None:
    request = training(manifest, "whole")
    seen = []
    operation = stub.TrainGenerator(request, timeout=PATIENT_S)
    trained = wait_for(service.channel, operation, seen.append, timeout_s=PATIENT_S).generator
    assert (trained.name, trained.version, trained.label) == ("good", "1", "good")
    assert (trained.resolution_px, trained.channels) == (16, 3)
    assert trained.kimg == pytest.approx(0.032)
    again = stub.TrainGenerator(request, timeout=PATIENT_S)
    assert again.name == operation.name  # the same request, the same operation
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (32, 32, "images")
    assert seen[-1].warning == ""  # a run has said so when it ingested
    assert trained.shipped_reason.endswith("(KID): 0 validation images, at least 10 are needed")
    assert seen[-1].values["kimg"] == pytest.approx(0.032)
    assert decode(store.get(store.key(trained.sample_uri))).size == (8 * 16, 4 * 16)
    assert bundle.load(store, "good/1")[1].weights_sha256 == trained.weights_sha256
    assert (trained.training_images, trained.seed, trained.manifest_uri, trained.initial_model) == (4, 1, manifest, "")
    assert (trained.channel_base, trained.z_dim, trained.w_dim) == (256, 8, 8)
    assert stub.GetGenerator(pb.GetGeneratorRequest(model="good"), timeout=PATIENT_S).generator == trained

    preview = stub.Preview(pb.PreviewRequest(model="good", seeds=[3, 5], noise_mode="random"), timeout=PATIENT_S).images
    wanted = pb.SynthesizeRequest(request_id="make", model="good", count=4, first_seed=3, dataset="more-good")
    response = wait_for(service.channel, stub.Synthesize(wanted, timeout=PATIENT_S), timeout_s=PATIENT_S)
    lines = read_manifest(store, response.manifest_uri)
    assert response.count == len(lines) == 4
    assert store.get(store.key(lines[0].file.uri)) == preview[0]
    assert store.get(store.key(lines[2].file.uri)) == preview[1]
    assert {line.label for line in lines} == {"good"}


def test_one_model_of_two_labels_makes_either(service: Service, stub: Any, store: ObjectStore, manifest: str) -> None:
    request = training(
        manifest, "both", label="", labels=["good", "bad"], name="both", initial_model="tiny", settings={"kimg": 0.008}
    )
    trained = wait_for(service.channel, stub.TrainGenerator(request, timeout=PATIENT_S), timeout_s=PATIENT_S).generator
    assert (list(trained.classes), trained.label) == (["good", "bad"], "good+bad")
    assert bundle.read_card(store, "both").architecture.classes == 2
    wanted = pb.SynthesizeRequest(request_id="turns", dataset="both-in-turn", model="both", count=4)
    response = wait_for(service.channel, stub.Synthesize(wanted, timeout=PATIENT_S), timeout_s=PATIENT_S)
    lines = read_manifest(store, response.manifest_uri)
    assert [line.label for line in lines] == ["good", "bad", "good", "bad"]
    preview = pb.PreviewRequest(model="both", seeds=[3], noise_mode="random", class_label="bad")
    assert stub.Preview(preview, timeout=PATIENT_S).images[0] == store.get(store.key(lines[3].file.uri))


def test_a_service_killed_in_a_training_ends_in_the_same_weights(
    service: Service, stub: Any, store: ObjectStore, manifest: str
) -> None:
    longer = {"kimg": 0.24, "snapshot_kimg": 0.04}
    operation = stub.TrainGenerator(training(manifest, "calm", name="calm", settings=longer), timeout=PATIENT_S)
    calm = wait_for(service.channel, operation, timeout_s=PATIENT_S).generator
    request = training(manifest, "killed", name="killed", settings=longer)
    with Service("services.generator", store.url) as running:
        generator_pb2_grpc.GeneratorServiceStub(running.channel).TrainGenerator(request, timeout=PATIENT_S)
        deadline = time.monotonic() + PATIENT_S
        while not any(info.key.endswith(".json") for info in store.list("models/generator/killed/1/checkpoints/")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.kill()
    assert not store.exists("models/generator/killed/1/model.json")
    again = stub.TrainGenerator(request, timeout=PATIENT_S)
    killed = wait_for(service.channel, again, timeout_s=PATIENT_S).generator
    assert progress_of(again).restarts >= 1
    assert killed.weights_sha256 == calm.weights_sha256


def test_a_cancelled_training_stops(service: Service, stub: Any, manifest: str) -> None:
    operation = stub.TrainGenerator(
        training(manifest, "long", name="long", settings={"kimg": 150.0}), timeout=PATIENT_S
    )
    cancel(service.channel, operation.name)
    with pytest.raises(Cancelled):
        wait_for(service.channel, operation, timeout_s=PATIENT_S)


def test_a_training_starts_from_another_model(service: Service, stub: Any, store: ObjectStore, manifest: str) -> None:
    request = training(manifest, "transfer", name="moved", initial_model="tiny")
    trained = wait_for(service.channel, stub.TrainGenerator(request, timeout=PATIENT_S), timeout_s=PATIENT_S).generator
    assert bundle.read_card(store, f"moved/{trained.version}").initial_model == "tiny/1"


def test_a_training_that_diverges_tells_the_reason(service: Service, stub: Any, manifest: str) -> None:
    wild = {"learning_rate": 1.0, "r1_gamma": 1e38, "kimg": 0.5}
    operation = stub.TrainGenerator(training(manifest, "wild", name="wild", settings=wild), timeout=PATIENT_S)
    with pytest.raises(FailedPrecondition, match="diverged twice"):
        wait_for(service.channel, operation, timeout_s=PATIENT_S)


@pytest.mark.parametrize(
    ("changes", "kind", "field"),
    [
        ({"request_id": ""}, InvalidInput, "request_id"),
        ({"request_id": "a b"}, InvalidInput, "request_id"),
        ({"name": "../up"}, InvalidInput, "name"),
        ({"name": ""}, InvalidInput, "name"),
        ({"label": ""}, InvalidInput, "label"),
        ({"label": "scratch"}, InvalidInput, "label"),
        ({"labels": ["good", "bad"]}, InvalidInput, "labels"),
        ({"label": "", "labels": ["good"]}, InvalidInput, "labels"),
        ({"label": "", "labels": ["good", "scratch"]}, InvalidInput, "label"),
        ({"manifest_uri": ""}, InvalidInput, "manifest_uri"),
        ({"manifest_uri": "file:///etc/passwd"}, Refused, None),
        ({"seed": -1}, InvalidInput, "seed"),
        ({"initial_model": "nobody"}, NotFound, None),
        ({"initial_model": "tiny/7"}, NotFound, None),
        ({"settings": {"resolution_px": 20}}, InvalidInput, "settings.resolution_px"),
        ({"settings": {"channel_base": 8}}, InvalidInput, "settings.channel_base"),
        ({"settings": {"batch": 1}}, InvalidInput, "settings.batch"),
        ({"settings": {"kimg": -2.0}}, InvalidInput, "settings.kimg"),
        ({"settings": {"kimg": float("nan")}}, InvalidInput, "settings.kimg"),
        ({"settings": {"r1_gamma": -1.0}}, InvalidInput, "settings.r1_gamma"),
        ({"settings": {"style_mixing": 2.0}}, InvalidInput, "settings.style_mixing"),
        ({"settings": {"augment_mode": "sometimes"}}, InvalidInput, "settings.augment_mode"),
        ({"settings": {"augment_preset": "all"}}, InvalidInput, "settings.augment_preset"),
        ({"settings": {"augment_mode": "fixed"}}, InvalidInput, "settings.augment_p"),
        ({"settings": {"freeze_d": 3}}, InvalidInput, "settings.freeze_d"),
        ({"settings": {"freeze_d": 1}}, InvalidInput, "settings.freeze_d"),
        ({"settings": {"keep_checkpoints": 101}}, InvalidInput, "settings.keep_checkpoints"),
        ({"settings": {"measured_images": 5}}, InvalidInput, "settings.measured_images"),
        ({"settings": {"ship": "first"}}, InvalidInput, "settings.ship"),
        ({"settings": {"patience": -1}}, InvalidInput, "settings.patience"),
        ({"settings": {"patience": 3}}, InvalidInput, "settings.patience"),
        ({"settings": {"config": "paper64"}}, InvalidInput, "settings.config"),
        ({"settings": {"device": "tpu"}}, InvalidInput, "settings.device"),
        ({"settings": {"precision": "fp8"}}, InvalidInput, "settings.precision"),
        ({"settings": {"micro_batch": 1}}, InvalidInput, "settings.micro_batch"),
    ],
)
def test_a_bad_training_is_refused(
    stub: Any, manifest: str, changes: dict[str, Any], kind: type[DefectoryError], field: str | None
) -> None:
    request_id = changes.pop("request_id", "bad-training")
    error = refusal(stub.TrainGenerator, training(manifest, request_id, **changes))
    assert type(error) is kind, error
    assert field is None or field in error.fields


def test_a_missing_dataset_is_not_found(stub: Any, store: ObjectStore) -> None:
    uri = store.uri("datasets/nothing/manifest.jsonl")
    assert type(refusal(stub.TrainGenerator, training(uri, "missing"))) is NotFound


def test_training_on_test_images_is_refused(stub: Any, store: ObjectStore) -> None:
    lines = make_lines(store, "leaky", SPLITS)
    lines[0] = replace(lines[0], group=lines[-2].group)
    error = refusal(stub.TrainGenerator, training(write_dataset(store, "leaky", lines, {}), "leaky"))
    assert isinstance(error, InvalidInput)
    assert "also tested on" in str(error)


def test_a_request_id_is_for_one_request(service: Service, stub: Any, manifest: str) -> None:
    wait_for(
        service.channel,
        stub.TrainGenerator(training(manifest, "mine", name="mine"), timeout=PATIENT_S),
        timeout_s=PATIENT_S,
    )
    assert type(refusal(stub.TrainGenerator, training(manifest, "mine", name="mine", seed=2))) is AlreadyExists
