"""GeneratorService over a real channel: its whole work once, and every bad input's status."""

import hashlib
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.api.generator.v1 import generator_pb2_grpc
from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.errors import (
    AlreadyExists,
    Cancelled,
    Corrupted,
    DefectoryError,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    Refused,
)
from defectory.imaging import decode
from defectory.serving.operations.client import cancel, progress_of, wait_for
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from services.generator import bundle
from tests.contract.running import Service
from tests.unit.generator.generator_samples import make_lines, write_generator, write_images

SPLITS = [("good", "train")] * 4 + [("bad", "train")] * 3 + [("good", "test"), ("bad", "test")]
SMALL = {
    "channel_base": 256,
    "channel_max": 8,
    "z_dim": 8,
    "w_dim": 8,
    "batch": 4,
    "kimg": 0.032,
    "snapshot_kimg": 0.016,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    return open_store(f"file://{tmp_path_factory.mktemp('generator')}/store")


@pytest.fixture(scope="module")
def manifest(store: ObjectStore) -> str:
    write_generator(store)
    return write_images(store, "parts", SPLITS)


@pytest.fixture(scope="module")
def service(store: ObjectStore, manifest: str) -> Iterator[Service]:
    with Service("services.generator", store.url) as running:
        yield running


@pytest.fixture(scope="module")
def stub(service: Service) -> Any:
    return generator_pb2_grpc.GeneratorServiceStub(service.channel)


def training(manifest: str, request_id: str, **changes: Any) -> pb.TrainGeneratorRequest:
    given = {"request_id": request_id, "manifest_uri": manifest, "label": "good", "name": "good", "seed": 1, **changes}
    settings = pb.TrainingSettings(**{**SMALL, **given.pop("settings", {})})
    return pb.TrainGeneratorRequest(settings=settings, **given)


def refusal(call: Any, request: Any) -> DefectoryError:
    with pytest.raises(grpc.RpcError) as raised:
        call(request, timeout=30)
    return error_from_rpc(raised.value)


def test_train_look_and_synthesise(service: Service, stub: Any, store: ObjectStore, manifest: str) -> None:
    request = training(manifest, "whole")
    seen = []
    operation = stub.TrainGenerator(request, timeout=30)
    made = wait_for(service.channel, operation, seen.append, timeout_s=120).generator
    assert (made.name, made.version, made.label, made.resolution_px, made.channels) == ("good", "1", "good", 16, 3)
    assert made.kimg == pytest.approx(0.032)
    assert stub.TrainGenerator(request, timeout=30).name == operation.name  # the same request, the same operation
    assert seen[-1].unit == "kimg"
    assert seen[-1].values["kimg"] == pytest.approx(0.032)
    assert decode(store.get(store.key(made.sample_uri))).size == (8 * 16, 4 * 16)
    assert bundle.load(store, "good/1")[1].weights_sha256 == made.weights_sha256
    assert (made.training_images, made.seed, made.manifest_uri, made.initial_model) == (4, 1, manifest, "")
    assert (made.channel_base, made.z_dim, made.w_dim) == (256, 8, 8)
    assert stub.GetGenerator(pb.GetGeneratorRequest(model="good"), timeout=30).generator == made

    preview = stub.Preview(pb.PreviewRequest(model="good", seeds=[3, 5], noise_mode="random"), timeout=60).images
    wanted = pb.SynthesizeRequest(request_id="make", model="good", count=4, first_seed=3, dataset="more-good")
    response = wait_for(service.channel, stub.Synthesize(wanted, timeout=30), timeout_s=120)
    lines = read_manifest(store, response.manifest_uri)
    assert response.count == len(lines) == 4
    assert store.get(store.key(lines[0].uri)) == preview[0]
    assert store.get(store.key(lines[2].uri)) == preview[1]
    assert {line.label for line in lines} == {"good"}


def test_one_model_of_two_labels_makes_either(service: Service, stub: Any, store: ObjectStore, manifest: str) -> None:
    request = training(
        manifest, "both", label="", labels=["good", "bad"], name="both", initial_model="tiny", settings={"kimg": 0.008}
    )
    made = wait_for(service.channel, stub.TrainGenerator(request, timeout=30), timeout_s=120).generator
    assert (list(made.classes), made.label) == (["good", "bad"], "good+bad")
    assert bundle.read_card(store, "both").architecture.classes == 2
    wanted = pb.SynthesizeRequest(request_id="turns", dataset="both-in-turn", model="both", count=4)
    response = wait_for(service.channel, stub.Synthesize(wanted, timeout=30), timeout_s=120)
    lines = read_manifest(store, response.manifest_uri)
    assert [line.label for line in lines] == ["good", "bad", "good", "bad"]
    preview = pb.PreviewRequest(model="both", seeds=[3], noise_mode="random", class_label="bad")
    assert stub.Preview(preview, timeout=60).images[0] == store.get(store.key(lines[3].uri))


def test_a_service_killed_in_a_training_ends_in_the_same_weights(store: ObjectStore, manifest: str) -> None:
    longer = {"kimg": 0.6, "snapshot_kimg": 0.04}
    hashes = []
    for name, kill in (("calm", False), ("killed", True)):
        request = training(manifest, name, name=name, settings=longer)
        with Service("services.generator", store.url) as running:
            operation = generator_pb2_grpc.GeneratorServiceStub(running.channel).TrainGenerator(request, timeout=30)
            if kill:
                prefix = f"models/generator/{name}/1/checkpoints/"
                deadline = time.monotonic() + 60
                while not any(info.key.endswith(".json") for info in store.list(prefix)):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                running.kill()
            else:
                hashes.append(wait_for(running.channel, operation, timeout_s=120).generator.weights_sha256)
        if kill:
            assert not store.exists(f"models/generator/{name}/1/model.json")
            with Service("services.generator", store.url) as running:
                again = generator_pb2_grpc.GeneratorServiceStub(running.channel).TrainGenerator(request, timeout=30)
                response = wait_for(running.channel, again, timeout_s=120)
                assert progress_of(again).restarts >= 1
                hashes.append(response.generator.weights_sha256)
    assert hashes[0] == hashes[1]


def test_a_cancelled_training_stops(service: Service, stub: Any, manifest: str) -> None:
    operation = stub.TrainGenerator(training(manifest, "long", name="long", settings={"kimg": 5000.0}), timeout=30)
    cancel(service.channel, operation.name)
    with pytest.raises(Cancelled):
        wait_for(service.channel, operation, timeout_s=60)


def test_a_training_starts_from_another_model(service: Service, stub: Any, store: ObjectStore, manifest: str) -> None:
    request = training(manifest, "transfer", name="moved", initial_model="tiny")
    made = wait_for(service.channel, stub.TrainGenerator(request, timeout=30), timeout_s=120).generator
    assert bundle.read_card(store, f"moved/{made.version}").initial_model == "tiny/1"


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
        ({"settings": {"freeze_d": 3}}, InvalidInput, "settings.freeze_d"),
        ({"settings": {"keep_checkpoints": 101}}, InvalidInput, "settings.keep_checkpoints"),
        ({"settings": {"measured_images": 5}}, InvalidInput, "settings.measured_images"),
        ({"settings": {"ship": "first"}}, InvalidInput, "settings.ship"),
        ({"settings": {"patience": -1}}, InvalidInput, "settings.patience"),
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
    lines[0] = lines[0].model_copy(update={"group": lines[-2].group})
    error = refusal(stub.TrainGenerator, training(write_dataset(store, "leaky", lines, {}), "leaky"))
    assert isinstance(error, InvalidInput)
    assert "also tested on" in str(error)


def test_a_request_id_is_for_one_request(service: Service, stub: Any, manifest: str) -> None:
    wait_for(service.channel, stub.TrainGenerator(training(manifest, "mine", name="mine"), timeout=30), timeout_s=120)
    assert type(refusal(stub.TrainGenerator, training(manifest, "mine", name="mine", seed=2))) is AlreadyExists


@pytest.mark.parametrize(
    ("changes", "kind", "field"),
    [
        ({"request_id": ""}, InvalidInput, "request_id"),
        ({"model": ""}, InvalidInput, "model"),
        ({"model": "no/../way"}, NotFound, None),
        ({"model": "nobody"}, NotFound, None),
        ({"count": 0}, InvalidInput, "count"),
        ({"count": 1_000_001}, InvalidInput, "count"),
        ({"first_seed": -1}, InvalidInput, "first_seed"),
        ({"first_seed": 2**32}, InvalidInput, "first_seed"),
        ({"truncation_psi": -0.1}, InvalidInput, "truncation_psi"),
        ({"truncation_psi": float("nan")}, InvalidInput, "truncation_psi"),
        ({"noise_mode": "loud"}, InvalidInput, "noise_mode"),
        ({"dataset": "Not A Name"}, InvalidInput, "dataset"),
        ({"class_label": "scratch"}, InvalidInput, "class_label"),
        ({"restore_size": True}, InvalidInput, "restore_size"),
        ({"precision": "fp8"}, InvalidInput, "precision"),
        ({"precision": "bf16", "half_resolutions": 9}, InvalidInput, "half_resolutions"),
    ],
)
def test_a_bad_synthesis_is_refused(
    stub: Any, changes: dict[str, Any], kind: type[DefectoryError], field: str | None
) -> None:
    request = pb.SynthesizeRequest(**{"request_id": "bad", "model": "tiny", "count": 2, "dataset": "x", **changes})
    error = refusal(stub.Synthesize, request)
    if changes.get("model") == "no/../way":
        assert isinstance(error, NotFound | InvalidInput)
        return
    assert type(error) is kind, error
    assert field is None or field in error.fields


def test_a_dataset_made_otherwise_is_not_overwritten(service: Service, stub: Any, store: ObjectStore) -> None:
    uri = write_images(store, "taken", [("good", "train")])
    before = store.get(store.key(uri))
    request = pb.SynthesizeRequest(request_id="taken", model="tiny", count=2, dataset="taken")
    with pytest.raises(AlreadyExists, match="another name"):
        wait_for(service.channel, stub.Synthesize(request, timeout=30), timeout_s=120)
    assert store.get(store.key(uri)) == before


@pytest.mark.parametrize(
    ("changes", "kind", "field"),
    [
        ({"seeds": []}, InvalidInput, "seeds"),
        ({"seeds": list(range(65))}, InvalidInput, "seeds"),
        ({"seeds": [-1]}, InvalidInput, "seeds"),
        ({"seeds": [2**32]}, InvalidInput, "seeds"),
        ({"truncation_psi": 3.0}, InvalidInput, "truncation_psi"),
        ({"noise_mode": "loud"}, InvalidInput, "noise_mode"),
        ({"model": ""}, InvalidInput, "model"),
        ({"model": "nobody"}, NotFound, None),
        ({"class_label": "scratch"}, InvalidInput, "class_label"),
        ({"precision": "half"}, InvalidInput, "precision"),
        ({"half_resolutions": -1}, InvalidInput, "half_resolutions"),
    ],
)
def test_a_bad_preview_is_refused(
    stub: Any, changes: dict[str, Any], kind: type[DefectoryError], field: str | None
) -> None:
    error = refusal(stub.Preview, pb.PreviewRequest(**{"model": "tiny", "seeds": [1], **changes}))
    assert type(error) is kind, error
    assert field is None or field in error.fields


def test_a_preview_shows_truncation(stub: Any) -> None:
    request = pb.PreviewRequest(model="tiny/1", seeds=[1, 2], truncation_psi=0.0)
    first, second = stub.Preview(request, timeout=60).images
    assert first == second
    assert np.asarray(decode(first)).shape == (16, 16, 3)


def test_a_broken_model_is_told_as_lost_data_and_left_out_of_the_list(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    for name in ("fine", "broken"):
        write_generator(store, name)
    store.put("models/generator/broken/1/model.json", b'{"name": "broken"}')
    weights = "models/generator/fine/1/weights.safetensors"
    with Service("services.generator", store.url) as running:
        stub = generator_pb2_grpc.GeneratorServiceStub(running.channel)
        assert type(refusal(stub.GetGenerator, pb.GetGeneratorRequest(model="broken"))) is Corrupted
        listed = stub.ListGenerators(pb.ListGeneratorsRequest(), timeout=30).generators
        assert [x.name for x in listed] == ["fine"]
        store.put(weights, store.get(weights)[:-4])
        assert type(refusal(stub.Preview, pb.PreviewRequest(model="fine", seeds=[1]))) is Corrupted


def test_generators_are_listed_by_page(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    for name, version in (("b", "1"), ("a", "2"), ("a", "10"), ("a", "1"), ("c", "1")):
        write_generator(store, name, version)
    expected = ["a/10", "a/2", "a/1", "b/1", "c/1"]
    with Service("services.generator", store.url) as running:
        stub = generator_pb2_grpc.GeneratorServiceStub(running.channel)
        for size in (0, 1, 2, 5):
            found, token = [], ""
            while True:
                page = stub.ListGenerators(pb.ListGeneratorsRequest(page_size=size, page_token=token), timeout=30)
                found += [f"{x.name}/{x.version}" for x in page.generators]
                assert size == 0 or len(page.generators) <= size
                token = page.next_page_token
                if not token:
                    break
            assert found == expected
        for bad in ({"page_token": "%%%"}, {"page_token": "YWJj"}, {"page_size": -1}, {"page_size": 1001}):
            error = refusal(stub.ListGenerators, pb.ListGeneratorsRequest(**bad))
            assert type(error) is InvalidInput
            assert next(iter(bad)) in error.fields


@pytest.mark.parametrize("model", ["nobody", "tiny/9"])
def test_a_generator_that_is_not_there_is_not_found(stub: Any, model: str) -> None:
    assert type(refusal(stub.GetGenerator, pb.GetGeneratorRequest(model=model))) is NotFound


def test_a_generator_needs_a_name(stub: Any) -> None:
    assert type(refusal(stub.GetGenerator, pb.GetGeneratorRequest(model=""))) is InvalidInput


def test_a_training_that_diverges_tells_the_reason(service: Service, stub: Any, manifest: str) -> None:
    wild = {"learning_rate": 1.0, "r1_gamma": 1e38, "kimg": 0.5}
    operation = stub.TrainGenerator(training(manifest, "wild", name="wild", settings=wild), timeout=30)
    with pytest.raises(FailedPrecondition, match="diverged twice"):
        wait_for(service.channel, operation, timeout_s=120)


def test_seeds_one_by_one_are_the_pictures_of_the_preview(service: Service, stub: Any, store: ObjectStore) -> None:
    request = pb.SynthesizeRequest(
        request_id="chosen", model="tiny", seeds=[7, 3, 4_000_000_000], noise_mode="const", dataset="chosen"
    )
    made = wait_for(service.channel, stub.Synthesize(request), timeout_s=120)
    lines = read_manifest(store, made.manifest_uri)
    assert [line.seed for line in lines] == [7, 3, 4_000_000_000]
    shown = stub.Preview(pb.PreviewRequest(model="tiny", seeds=request.seeds)).images
    assert [hashlib.sha256(image).hexdigest() for image in shown] == [line.sha256 for line in lines]


def test_precision_is_that_of_each_request(service: Service, stub: Any, store: ObjectStore) -> None:
    request = pb.SynthesizeRequest(
        request_id="halved", model="tiny", seeds=[7, 3], noise_mode="const", dataset="halved", precision="bf16"
    )
    made = wait_for(service.channel, stub.Synthesize(request), timeout_s=120)
    lines = read_manifest(store, made.manifest_uri)
    assert {(line.precision, line.half_resolutions) for line in lines} == {("bf16", 4)}
    before, half, after = (
        stub.Preview(pb.PreviewRequest(model="tiny", seeds=[7, 3], precision=precision)).images
        for precision in ("fp32", "bf16", "")
    )
    assert [hashlib.sha256(image).hexdigest() for image in half] == [line.sha256 for line in lines]
    assert before == after
    assert before != half


@pytest.mark.parametrize(
    "wrong",
    [
        {"seeds": [1, 1]},
        {"seeds": [2**32]},
        {"seeds": [-1]},
        {"seeds": [1], "count": 2},
        {"seeds": [1], "first_seed": 5},
    ],
)
def test_seeds_that_are_none_are_refused(stub: Any, wrong: dict[str, Any]) -> None:
    error = refusal(stub.Synthesize, pb.SynthesizeRequest(request_id="x", model="tiny", dataset="d", **wrong))
    assert isinstance(error, InvalidInput)
    assert "seeds" in error.fields or "first_seed" in error.fields


def test_a_pickle_that_is_none_fails_the_import_with_the_reason(
    service: Service, stub: Any, store: ObjectStore
) -> None:
    store.put("imports/evil.pkl", pickle.dumps({"G_ema": print}))
    uri = store.uri("imports/evil.pkl")
    started = stub.ImportGenerator(pb.ImportGeneratorRequest(request_id="evil", pickle_uri=uri, name="evil", label="x"))
    with pytest.raises(InvalidInput, match=r"wants builtins\.print"):
        wait_for(service.channel, started, timeout_s=120)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [({"name": "No Name"}, InvalidInput), ({"label": ""}, InvalidInput), ({"pickle_uri": ""}, InvalidInput),
     ({"pickle_uri": "file:///etc/passwd"}, Refused), ({"pickle_uri": "imports/none.pkl"}, DefectoryError)],
)  # fmt: skip
def test_imports_that_cannot_be_are_refused(stub: Any, store: ObjectStore, wrong: dict[str, str], kind: type) -> None:
    given = {"request_id": "y", "pickle_uri": store.uri("imports/none.pkl"), "name": "n", "label": "l", **wrong}
    assert isinstance(refusal(stub.ImportGenerator, pb.ImportGeneratorRequest(**given)), kind)


def test_metrics_of_a_generator(service: Service, stub: Any, store: ObjectStore) -> None:
    splits = [("defect", "train")] * 12 + [("defect", "validation")] * 12
    request = pb.EvaluateGeneratorRequest(
        request_id="measure", model="tiny", manifest_uri=write_images(store, "measured", splits), count=20
    )
    found = wait_for(service.channel, stub.EvaluateGenerator(request), timeout_s=120)
    assert found.held_out_images == 12
    assert found.metrics["kid_low"] <= found.metrics["kid"] <= found.metrics["kid_high"]
    assert found.metrics["kid"] > 0.1  # an untrained network
    assert found.metrics["precision"] == 0


def test_metrics_want_held_out_images(service: Service, stub: Any, store: ObjectStore) -> None:
    uri = write_images(store, "few", [("defect", "train")] * 5 + [("defect", "validation")] * 4)
    started = stub.EvaluateGenerator(pb.EvaluateGeneratorRequest(request_id="few", model="tiny", manifest_uri=uri))
    with pytest.raises(FailedPrecondition, match="4 held-out images"):
        wait_for(service.channel, started, timeout_s=120)


def test_fid_is_refused_on_few_images(service: Service, stub: Any, store: ObjectStore) -> None:
    uri = write_images(store, "measured-fid", [("defect", "train")] * 12 + [("defect", "validation")] * 12)
    request = pb.EvaluateGeneratorRequest(request_id="fid", model="tiny", manifest_uri=uri, fid=True)
    with pytest.raises(FailedPrecondition, match="FID on 12 held-out images"):
        wait_for(service.channel, stub.EvaluateGenerator(request), timeout_s=120)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [({"count": 5}, InvalidInput), ({"truncation_psi": float("nan")}, InvalidInput), ({"model": ""}, InvalidInput),
     ({"model": "unknown"}, NotFound), ({"manifest_uri": ""}, InvalidInput)],
)  # fmt: skip
def test_evaluations_that_cannot_be_are_refused(stub: Any, manifest: str, wrong: dict[str, Any], kind: type) -> None:
    given = {"request_id": "z", "model": "tiny", "manifest_uri": manifest, **wrong}
    assert isinstance(refusal(stub.EvaluateGenerator, pb.EvaluateGeneratorRequest(**given)), kind)
