"""Classify over a real channel: the training's input, calibrated answers, decisions; odd and hostile images."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from PIL import Image
from typer.testing import CliRunner

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.classifier.v1 import classifier_pb2_grpc
from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from defectory.errors import DefectoryError, FailedPrecondition, InvalidInput, NotFound, Refused
from defectory.exit_codes import exit_code
from defectory.imaging import decode, network_input_of
from defectory.models import set_label
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from services.classifier.bundle import load
from services.classifier.card import Preprocessing
from services.classifier.data import load_images
from tests.contract import pictures
from tests.contract.running import Service
from tests.patience import PATIENT_S

SIZE = 32


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('classify')}/store")
    put_classifier(store, "parts", "1", seed=1)
    put_classifier(store, "parts", "2", seed=2)
    put_classifier(store, "kinds", labels=("scratch", "dent", "good"), threshold=None, temperature=0.5)
    put_classifier(store, "broken")
    store.put("models/classifier/broken/1/cycle-0.safetensors", b"no weights")
    return store


@pytest.fixture(scope="module")
def service(store: ObjectStore) -> Iterator[Service]:
    with Service("services.classifier", store.url, "--poll-s", "0") as running:
        yield running


@pytest.fixture(scope="module")
def stub(service: Service) -> classifier_pb2_grpc.ClassifierServiceStub:
    return classifier_pb2_grpc.ClassifierServiceStub(service.channel)


def classify(stub, model: str, *contents: bytes, **fields) -> pb.ClassifyResponse:
    images = [pb.ImageSource(content=content) for content in contents]
    return stub.Classify(pb.ClassifyRequest(model=model, images=images, **fields), timeout=PATIENT_S)


def fails(call, *arguments, **fields) -> DefectoryError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **fields)
    return error_from_rpc(caught.value)


def as_trained(store: ObjectStore, content: bytes) -> np.ndarray:
    """What a training makes of a file, uint8 (1, SIZE, SIZE, 3)."""
    store.put("one-image", content)
    digest = hashlib.sha256(content).hexdigest()
    line = ManifestLine(
        file=PictureFile(uri=store.uri("one-image"), sha256=digest, width=1, height=1),
        origin=Origin(source="x"),
        label="good",
        split="train",
    )
    images = load_images(store, [line], SIZE, Preprocessing())
    assert images.skipped == []
    return images.pixels


@pytest.mark.parametrize("kind", list(pictures.good()))
def test_what_is_served_is_what_was_trained(kind: str, stub, store: ObjectStore) -> None:
    content = pictures.good()[kind]
    trained = as_trained(store, content)
    np.testing.assert_array_equal(network_input_of(content, SIZE, max_pixels=50_000_000), trained[0])
    card, network = load(store, "parts/2")
    wanted = network.model(trained.astype(np.float32), training=False).numpy().astype(np.float64)
    logits = np.log(wanted) / 2  # put_classifier's temperature
    wanted = np.exp(logits) / np.exp(logits).sum()
    answer = classify(stub, "parts", content).classifications[0]
    probabilities = [answer.probabilities[label] for label in card.architecture.labels]
    np.testing.assert_allclose(probabilities, wanted[0], atol=2e-5)
    assert answer.label == card.architecture.labels[int(np.argmax(probabilities))]
    assert answer.rejected == (answer.probabilities["defect"] >= 0.3)
    assert answer.decision == ("defect" if answer.rejected else "good")


def test_a_jpeg_is_decoded_at_the_scale_that_is_needed() -> None:
    content = pictures.good()["jpeg"]
    whole = np.asarray(decode(content).resize((224, 224), Image.Resampling.BILINEAR), np.int16)
    assert decode(content, needed_px=224).size == (256, 256)
    assert np.abs(network_input_of(content, 224) - whole).max() <= 6  # as good, but not the same to the bit
    assert decode(content, needed_px=300).size == (512, 512)


def test_an_image_on_its_side_is_put_upright(stub) -> None:
    array = pictures.pixels(200, 200, seed=3)
    upright = classify(stub, "parts", pictures.encoded(array, "JPEG", quality=95)).classifications[0]
    turned = classify(stub, "parts", pictures.rotated(array)).classifications[0]
    assert turned.probabilities["good"] == pytest.approx(upright.probabilities["good"], abs=0.05)


@pytest.mark.parametrize("kind", list(pictures.bad()))
def test_what_is_no_image_is_refused_by_name(kind: str, stub) -> None:
    error = fails(classify, stub, "parts", pictures.encoded(pictures.pixels()), pictures.bad()[kind])
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == ["images[1]"]


def test_many_images_are_answered_as_one_by_one(stub) -> None:
    contents = [pictures.encoded(pictures.pixels(seed=seed)) for seed in range(11)]
    together = classify(stub, "parts", *contents).classifications
    alone = [classify(stub, "parts", content).classifications[0] for content in contents]
    for one, other in zip(together, alone, strict=True):
        assert one.probabilities["good"] == pytest.approx(other.probabilities["good"], abs=1e-5)
    assert len({round(one.probabilities["good"], 4) for one in alone}) > 5


def test_without_an_operating_point_the_most_probable_label_is_decided_for(stub) -> None:
    answer = classify(stub, "kinds", pictures.encoded(pictures.pixels())).classifications[0]
    assert answer.decision == answer.label == max(answer.probabilities, key=answer.probabilities.__getitem__)
    assert not answer.HasField("rejected")


def test_versions_and_labels_are_named(stub, store: ObjectStore) -> None:
    content = pictures.encoded(pictures.pixels())
    by_version = {v: classify(stub, f"parts/{v}", content).classifications[0] for v in ("1", "2")}
    assert by_version["1"] != by_version["2"]
    assert classify(stub, "parts", content).model_version == "2"
    set_label(store, "classifier", "parts/1", "stable")
    set_label(store, "classifier", "parts/2", "canary")
    assert classify(stub, "parts", content).model_version == "1"
    for model, number in (("parts", "1"), ("parts/stable", "1"), ("parts/canary", "2"), ("parts/2", "2")):
        assert stub.GetClassifier(pb.GetClassifierRequest(model=model)).classifier.version == number
    assert classify(stub, "parts/canary", content).model_version == "2"
    set_label(store, "classifier", "parts/2", "stable")
    assert classify(stub, "parts", content).model_version == "2"


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("none", NotFound), ("parts/9", NotFound), ("kinds/stable", NotFound), ("parts/newest", InvalidInput),
        ("../parts", InvalidInput), ("", InvalidInput),
    ],
)  # fmt: skip
def test_an_unknown_model_is_said_to_be_unknown(model: str, kind: type, stub) -> None:
    assert isinstance(fails(classify, stub, model, pictures.encoded(pictures.pixels())), kind)


def test_a_broken_model_says_why_and_leaves_the_others_alone(stub) -> None:
    content = pictures.encoded(pictures.pixels())
    assert "broken/1" in str(fails(classify, stub, "broken", content))
    assert classify(stub, "parts", content).classifications


def test_uris_only_from_the_store(stub, store: ObjectStore) -> None:
    content = pictures.encoded(pictures.pixels())
    store.put("shots/1.png", content)

    def ask(uri: str) -> pb.ClassifyResponse:
        return stub.Classify(pb.ClassifyRequest(model="parts", images=[pb.ImageSource(uri=uri)]), timeout=PATIENT_S)

    assert ask(store.uri("shots/1.png")) == classify(stub, "parts", content)
    assert isinstance(fails(ask, store.uri("shots/2.png")), NotFound)
    large = store.uri("shots/large.png")
    with (Path(large.removeprefix("file://"))).open("wb") as file:
        file.truncate((64 << 20) + 1)
    images = [pb.ImageSource(uri=large), pb.ImageSource(content=content)]
    error = fails(stub.Classify, pb.ClassifyRequest(model="parts", images=images), timeout=PATIENT_S)
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == ["images[0]"]
    assert list(fails(ask, large).fields) == ["images[0]"]
    for uri in ("file:///etc/passwd", "s3://elsewhere/1.png", store.uri("shots/1.png") + "/../../../../etc/passwd"):
        assert isinstance(fails(ask, uri), Refused | InvalidInput)


def test_too_few_and_too_many_images(stub) -> None:
    assert "images" in fails(classify, stub, "parts").fields
    assert "images" in fails(classify, stub, "parts", *[b"x"] * 257).fields


def test_a_message_beyond_the_limit_is_refused(stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        classify(stub, "parts", b"x" * (65 << 20))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_heatmaps_need_an_explainer(stub) -> None:
    error = fails(classify, stub, "parts", pictures.encoded(pictures.pixels()), heatmap=True)
    assert isinstance(error, FailedPrecondition)
    assert "explainer" in str(error)


def test_heatmaps_come_from_the_explainer_and_a_full_queue_says_when_to_come_back(store: ObjectStore) -> None:
    with (
        Service("services.explainer", store.url) as explainer,
        Service(
            "services.classifier", store.url, "--poll-s", "0", "--queue", "2", "--explainer-address", explainer.address
        ) as service,
    ):
        stub = classifier_pb2_grpc.ClassifierServiceStub(service.channel)
        content = pictures.encoded(pictures.pixels())
        answer = classify(stub, "parts", content, heatmap=True).classifications[0]
        assert decode(answer.heatmap).size == (96, 80)
        assert list(fails(classify, stub, "parts", *[content] * 17, heatmap=True).fields) == ["heatmap"]
        content = pictures.encoded(pictures.pixels(512, 512))
        image = pb.ImageSource(content=content)
        calls = [stub.Classify.future(pb.ClassifyRequest(model="parts", images=[image] * 2)) for _ in range(40)]
        codes = [call.code() for call in calls]
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        refused = next(call for call in calls if call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED)
        info = error_details_pb2.RetryInfo()
        assert any(detail.Unpack(info) for detail in rpc_status.from_call(refused).details)
        assert info.retry_delay.ToSeconds() + info.retry_delay.nanos > 0
        time.sleep(min(info.retry_delay.ToTimedelta().total_seconds(), 5))
        assert classify(stub, "parts", content).classifications


def test_the_command_answers_for_the_others_and_names_what_is_broken(
    service: Service, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFECTORY_CLASSIFIER_ADDRESS", service.address)
    shots, good = tmp_path / "shots", pictures.encoded(pictures.pixels())
    cut_off = pictures.encoded(pictures.pixels(), "JPEG")[:-200]
    files = {
        "a.png": good,
        "b.jpg": cut_off,
        "below/c.PNG": good,
        "d.bmp": b"no image",
        "notes.txt": b"x",
        ".e.png": b"",
    }
    for name, content in files.items():
        path = shots / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    store.put("shots/there.png", good)
    uris = [store.uri("shots/there.png"), store.uri("shots/away.png")]
    arguments = ["classifier", "classify", "parts", str(shots), *uris, "--store", store.url, "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 3, (done.output, done.exception)
    said = json.loads(done.stdout)
    answered = [shots / "a.png", shots / "below/c.PNG", uris[0]]
    assert [row["image"] for row in said["classifications"]] == list(map(str, answered))
    assert len({json.dumps(row["probabilities"]) for row in said["classifications"]}) == 1  # all are the same picture
    assert [row["image"] for row in said["failed"]] == [*(str(shots / name) for name in ("b.jpg", "d.bmp")), uris[1]]
    assert said["left_out"] == [str(shots / "notes.txt")]
    for row in said["failed"]:
        assert f"error: {row['image']}: {row['error']}" in done.stderr
    assert "3 of 6 images could not be classified" in done.stderr


@pytest.mark.parametrize(
    ("name", "code", "message"), [("none.png", 4, "no file or folder"), ("empty", 3, "has no images")]
)
def test_the_command_says_what_is_not_there(name: str, code: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DefectoryError, match=message) as caught:
        CliRunner().invoke(app, ["classifier", "classify", "parts", str(tmp_path / name)], catch_exceptions=False)
    assert exit_code(caught.value) == code
