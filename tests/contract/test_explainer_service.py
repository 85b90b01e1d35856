"""The explainer over a real channel, on a classifier that the classifier's service trained."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from PIL import Image

from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.explainer.v1 import explainer_pb2 as pb
from defectory.api.explainer.v1 import explainer_pb2_grpc
from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.datasets.manifest_line import MaskFile
from defectory.errors import Cancelled, DefectoryError, InvalidInput, NotFound, Refused
from defectory.imaging import decode, encode_png, network_input
from defectory.serving.operations.client import wait_for
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from defectory.storage.references import rooted
from services.classifier.bundle import load
from services.classifier.cards import read_card
from services.explainer.methods import METHODS
from services.explainer.overlay import LEGEND_PX
from services.explainer.servicer import ExplainerServicer
from tests.contract.datasets import make_dataset
from tests.contract.running import Service
from tests.patience import PATIENT_S


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    return open_store(f"file://{tmp_path_factory.mktemp('explainer')}/store")


@pytest.fixture(scope="module")
def manifest(store: ObjectStore) -> str:
    return make_dataset(store, size_px=96)


@pytest.fixture(scope="module")
def classified(store: ObjectStore, manifest: str) -> dict[str, dict[str, float]]:
    """Trains the classifier; its calibrated probabilities by URI, worked out here."""
    settings = classifier_pb2.TrainingSettings(
        recipe="best",
        input_px=96,
        initial_weights="random",
        width_multiplier=0.35,
        head_units=16,
        epochs=1,
        batch=8,
        learning_rate=1e-3,
    )
    with Service("services.classifier", store.url) as service:
        stub = classifier_pb2_grpc.ClassifierServiceStub(service.channel)
        request = classifier_pb2.TrainClassifierRequest(
            request_id="t", manifest_uri=manifest, name="judge", settings=settings, cycles=1
        )
        wait_for(service.channel, stub.TrainClassifier(request))
    card, network = load(store, "judge")
    answers = {}
    for line in read_manifest(store, manifest):
        pixels = network_input(decode(store.get(store.key(line.file.uri))), card.architecture.input_px)
        p = network.model(pixels[None].astype(np.float32), training=False).numpy()[0].astype(float)
        fair = p ** (1 / card.calibration.temperature)
        answers[line.file.uri] = dict(zip(card.architecture.labels, fair / fair.sum(), strict=True))
    return answers


def decided(probabilities: dict[str, float], store: ObjectStore) -> str:
    """The label at the operating point: two labels, one of which is good."""
    point = read_card(store, "judge").operating_point
    return "defect" if probabilities["defect"] >= point.threshold else "good"


@pytest.fixture(scope="module")
def service(store: ObjectStore, classified: dict) -> Iterator[Service]:
    with Service("services.explainer", store.url) as running:
        yield running


@pytest.fixture(scope="module")
def stub(service: Service) -> explainer_pb2_grpc.ExplainerServiceStub:
    return explainer_pb2_grpc.ExplainerServiceStub(service.channel)


def fails(call, request) -> DefectoryError:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=PATIENT_S)
    return error_from_rpc(caught.value)


def test_explain_one(stub, store: ObjectStore, classified: dict) -> None:
    uri, answer = next(iter(classified.items()))
    for label in ("", "good", "defect"):
        explanation = stub.Explain(
            pb.ExplainRequest(model="judge", image=classifier_pb2.ImageSource(uri=uri), label=label)
        )
        assert explanation.predicted_label == decided(answer, store)
        assert dict(explanation.probabilities) == pytest.approx(answer, abs=1e-5)
        assert explanation.label == (label or explanation.predicted_label)
        heat = np.asarray(Image.open(io.BytesIO(explanation.heatmap)))
        assert heat.shape == (96, 96)
        assert (explanation.heat_rows, explanation.heat_columns) == (3, 3)  # MobileNetV2 has a cell for every 32 pixels
        assert heat.max() in (0, 255) or heat.max() > 128
        assert Image.open(io.BytesIO(explanation.overlay)).size == (288, 288 + LEGEND_PX)
        for box in explanation.boxes:
            inside = heat[box.y : box.y + box.height, box.x : box.x + box.width]
            assert inside.max() >= 0.15 * heat.max()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_and_rule(stub, classified: dict, method: str) -> None:
    image = classifier_pb2.ImageSource(uri=next(iter(classified)))
    heats = set()
    for rule in pb.BoxRule.values():
        explanation = stub.Explain(
            pb.ExplainRequest(model="judge", image=image, label="good", method=method, box_rule=rule)
        )
        heats.add(explanation.heatmap)
        assert bool(explanation.boxes) != bool(explanation.unclear)
    assert len(heats) == 1


def test_heat_is_on_the_background_or_not(stub, classified: dict) -> None:
    flat = np.full((96, 96, 3), 40, np.uint8)
    flat[30:66, 30:66] = 200
    image = classifier_pb2.ImageSource(content=encode_png(flat))
    shares = []
    for label in ("good", "defect"):
        explanation = stub.Explain(pb.ExplainRequest(model="judge", image=image, label=label))
        heat = np.asarray(Image.open(io.BytesIO(explanation.heatmap))).astype(float)
        if heat.max() > 0:
            outside = heat[(flat < 100).all(axis=2)].sum() / heat.sum()
            assert explanation.background == pytest.approx(outside, abs=0.05)
            assert explanation.on_background == (explanation.background > 0.5)
            assert not (explanation.on_background and explanation.boxes)
            assert ("background" in explanation.unclear) == explanation.on_background
            assert bool(explanation.unclear) != bool(explanation.boxes)
            shares.append(explanation.background)
        else:
            assert "nothing spoke for the label" in explanation.unclear
    assert shares
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    source = classifier_pb2.ImageSource(content=encode_png(noise))
    assert not stub.Explain(pb.ExplainRequest(model="judge", image=source)).HasField("background")


def test_explain_many(service: Service, stub, store: ObjectStore, manifest: str, classified: dict) -> None:
    masked = with_masks(store, manifest)
    request = pb.ExplainImagesRequest(
        request_id="m", models=["judge", "judge/1"], manifest_uri=masked, limit=4, output_prefix="runs/r/explain"
    )
    response = wait_for(service.channel, stub.ExplainImages(request))
    stored = store.get(store.key(response.explanations_uri))
    rows = [json.loads(line) for line in rooted(stored, store).splitlines()]
    assert store.url.encode() not in stored, "the store can be moved"
    assert response.count == 4
    assert len(rows) == 8
    assert sorted(row["label"] for row in rows[:4]) == ["defect", "defect", "good", "good"]
    for row in rows:
        assert row["predicted"] == decided(classified[row["uri"]], store)
        for key in ("overlay_uri", "heatmap_uri"):
            assert store.get(store.key(row[key])).startswith(b"\x89PNG")

    summary = json.loads(store.get(store.key(response.summary_uri)))
    first, second = summary["models"]
    moved = second.pop("moved")
    assert first == second
    assert (first["model"], first["method"], first["masked"], first["cells"]) == ("judge/1", "grad-cam", 3, [3, 3])
    for share in ("pointing", "pointing_by_chance", "inside", "inside_by_chance"):
        assert 0 <= first[share] <= 1, share
    assert 0 <= first["max_box_acc_v2"]["mean"] <= 1
    assert set(first["sanity"]) == {"stages", "passed"}
    assert (moved["images"], moved["inside"]) == (3, 0)
    sheet = Image.open(io.BytesIO(store.get(store.key(response.sheet_uri))))
    assert sheet.width > 3 * 150
    assert sheet.height > 4 * 150


def with_masks(store: ObjectStore, manifest: str) -> str:
    """The dataset with a mask around the dark square of every defect."""
    lines = []
    for line in read_manifest(store, manifest):
        if line.label == "defect":
            pixels = np.asarray(decode(store.get(store.key(line.file.uri))))
            store.put(f"masks/{line.file.sha256}.png", encode_png(((pixels < 100).all(axis=2) * 255).astype(np.uint8)))
            line = replace(line, mask=MaskFile(uri=store.uri(f"masks/{line.file.sha256}.png")))
        lines.append(line)
    return write_dataset(store, "masked", lines, {})


def test_more_pixels_than_fit_are_refused_with_a_time_to_come_back(stub, classified: dict) -> None:
    large = io.BytesIO()
    Image.new("L", (8000, 6000), 90).save(large, "PNG")
    request = pb.ExplainRequest(model="judge", image=classifier_pb2.ImageSource(content=large.getvalue()), label="good")
    calls = [stub.Explain.future(request) for _ in range(4)]
    errors = [error for call in calls if (error := call.exception()) is not None]
    answered = [call.result() for call in calls if call.exception() is None]
    assert answered
    assert {error.code() for error in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    details = [detail for error in errors for detail in rpc_status.from_call(error).details]
    assert sum(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in details) == len(errors)
    assert Image.open(io.BytesIO(answered[0].heatmap)).size == (2048, 1536)
    for box in answered[0].boxes:
        assert box.x + box.width <= 8000
        assert box.y + box.height <= 6000
    assert not answered[0].boxes or max(box.x + box.width for box in answered[0].boxes) > 2048


def test_nothing_is_done_for_a_caller_who_has_gone(store: ObjectStore) -> None:
    class Gone:
        """The context of a call whose caller has hung up while it stood in line."""

        def is_active(self) -> bool:
            return False

        def time_remaining(self) -> float | None:
            return None

    with pytest.raises(Cancelled):
        ExplainerServicer(store, None).Explain(pb.ExplainRequest(model="none"), Gone())


def test_refusals(stub, store: ObjectStore, manifest: str, classified: dict) -> None:
    image = classifier_pb2.ImageSource(uri=next(iter(classified)))
    explain = stub.Explain
    assert isinstance(fails(explain, pb.ExplainRequest(model="none", image=image)), NotFound)
    assert "label" in fails(explain, pb.ExplainRequest(model="judge", image=image, label="x")).fields
    for change, field in (
        ({"box_threshold": 1}, "box_threshold"),
        ({"box_threshold": float("nan")}, "box_threshold"),
        ({"box_rule": pb.BOX_RULE_OTSU, "box_threshold": 0.5}, "box_threshold"),
        ({"box_rule": 9}, "box_rule"),
        ({"method": "guess"}, "method"),
    ):
        assert field in fails(explain, pb.ExplainRequest(model="judge", image=image, **change)).fields
    whole = encode_png(np.zeros((40, 40, 3), np.uint8))
    bomb = io.BytesIO()
    Image.new("1", (20_000, 6_000)).save(bomb, "PNG")
    for content in (b"", b"no image", whole[: len(whole) // 2], bomb.getvalue()):
        source = classifier_pb2.ImageSource(content=content)
        assert isinstance(fails(explain, pb.ExplainRequest(model="judge", image=source)), InvalidInput)
    store.put("large.png", bytes((64 << 20) + 1))
    large = classifier_pb2.ImageSource(uri=store.uri("large.png"))
    assert list(fails(explain, pb.ExplainRequest(model="judge", image=large)).fields) == ["image"]
    outside = classifier_pb2.ImageSource(uri="file:///etc/passwd")
    assert isinstance(fails(explain, pb.ExplainRequest(model="judge", image=outside)), Refused)
    many = {"request_id": "x", "models": ["judge"], "manifest_uri": manifest, "output_prefix": "p"}
    for change, kind in (
        ({"models": []}, InvalidInput),
        ({"models": ["none"]}, NotFound),
        ({"manifest_uri": store.uri("none")}, NotFound),
        ({"output_prefix": "../x"}, InvalidInput),
        ({"limit": -1}, InvalidInput),
        ({"limit": 10_001}, InvalidInput),
        ({"method": "guess"}, InvalidInput),
        ({"box_rule": 9}, InvalidInput),
        ({"box_threshold": 2}, InvalidInput),
    ):
        assert isinstance(fails(stub.ExplainImages, pb.ExplainImagesRequest(**{**many, **change})), kind)
