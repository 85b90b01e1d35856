"""Every format gives the original's probabilities; ONNX for every kind of layer, at odd sizes too."""

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.errors import FailedPrecondition, InvalidInput
from defectory.imaging import decode
from defectory.storage import ObjectStore, open_store
from services.classifier.architecture import Architecture
from services.classifier.bundle import load, weights_bytes
from services.classifier.decision import DecisionRule, calibrated
from services.classifier.evaluation import evaluate
from services.classifier.exporting import FORMATS
from services.classifier.exporting.export import CONVERTERS, compare, export
from services.classifier.exporting.formats import Converted
from services.classifier.exporting.formats import onnx as as_onnx
from services.classifier.model import probabilities
from tests.contract.datasets import make_dataset
from tests.unit.classifier.classifier_samples import ARCHITECTURE, bundle, lively


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """A store with a dataset and a small classifier."""
    store = open_store(f"file://{tmp_path_factory.mktemp('exports')}/store")
    return bundle(store, weights_bytes(lively(ARCHITECTURE)), make_dataset(store))[0]


@pytest.mark.parametrize("format_", FORMATS)
def test_an_export_agrees_with_the_original(store: ObjectStore, format_: str) -> None:
    exported = export(store, "judge", format_, "", lambda *_: None)
    described = json.loads(store.get(store.key(exported.files[-1])))
    assert exported.check.images == 6
    assert described["check"] == vars(exported.check)
    assert described["labels"] == ["defect", "good"]
    assert 0 < exported.check.max_difference < (0.1 if format_ == "tflite-int8" else 1e-4)
    assert exported.check.agreement == 1 or format_ == "tflite-int8"
    assert all(store.exists(store.key(uri)) for uri in exported.files)


def test_the_temperature_is_built_in(store: ObjectStore) -> None:
    import onnxruntime

    card, network = load(store, "judge")
    exported = export(store, "judge", "onnx", "", lambda *_: None)
    content = store.get(store.key(exported.files[0]))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    exported_probabilities = onnxruntime.InferenceSession(content).run(None, {"image": pixels.astype(np.float32)})[0]
    expected = calibrated(probabilities(network, pixels), card.calibration.temperature)
    np.testing.assert_allclose(exported_probabilities, expected, atol=1e-5)
    assert {node.domain for node in onnx.load(io.BytesIO(content)).graph.node} == {""}


def test_an_example_shows_its_answer_and_those_of_the_usual_mistakes(store: ObjectStore) -> None:
    """Fed as another application would, the file that was written gives the answers that stand beside it."""
    import onnxruntime

    exported = export(store, "judge", "onnx", "", lambda *_: None)
    files = {uri.rpartition("/")[2]: store.get(store.key(uri)) for uri in exported.files}
    described = json.loads(files["export.json"])
    example, labels = described["example"], described["labels"]
    picture = np.asarray(Image.open(io.BytesIO(files[example["file"]])), np.float32)[None]
    assert picture.shape == (1, 32, 32, 3)
    session = onnxruntime.InferenceSession(files["model.onnx"])

    def answer(pixels: np.ndarray) -> dict[str, float]:
        row = session.run(["probabilities"], {"image": pixels.astype(np.float32)})[0][0]
        return dict(zip(labels, map(float, row), strict=True))

    assert answer(picture) == pytest.approx(example["probabilities"], abs=1e-5)
    mistakes = example["probabilities_of_mistakes"]
    assert answer(picture / 255) == pytest.approx(mistakes["scaled to 0..1"], abs=1e-5)
    assert answer(picture / 127.5 - 1) == pytest.approx(mistakes["scaled to -1..1"], abs=1e-5)
    for mistake in mistakes.values():
        assert abs(mistake["good"] - example["probabilities"]["good"]) > example["tolerance"]
    assert "scale nothing" in described["input"]["meaning"]


def in_openvino(content: bytes, pixels: np.ndarray) -> np.ndarray:
    import openvino

    core = openvino.Core()
    # Without the hint it would compute in bf16 on processors that have AMX (docs/classifier.md).
    compiled = core.compile_model(core.read_model(content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(pixels.astype(np.float32))["probabilities"])


def in_opencv(content: bytes, pixels: np.ndarray) -> np.ndarray:
    import cv2

    network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    network.setInput(pixels.astype(np.float32), "image")
    return np.asarray(network.forward("probabilities"))


@pytest.mark.parametrize("size", [33, 48])
def test_onnx_pads_like_keras_at_odd_and_even_sizes_in_every_runtime(size: int) -> None:
    architecture = Architecture(labels=("a", "b", "c"), input_px=size, width_multiplier=0.35, head_units=8)
    network = lively(architecture)
    converted = as_onnx(network, architecture, np.zeros(0))
    content = converted.files["model.onnx"]
    pixels = np.random.default_rng(1).integers(0, 256, (12, size, size, 3)).astype(np.uint8)
    expected = probabilities(network, pixels)
    assert np.ptp(expected, axis=0).max() > 0.05
    for answer in (converted.runs["ONNX Runtime"](pixels), in_openvino(content, pixels), in_opencv(content, pixels)):
        np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_onnx_says_its_padding_in_numbers() -> None:
    """OpenCV 5.0 pads at the start where SAME_UPPER means the end: at stride 2 it answers something else."""
    network = lively(ARCHITECTURE)
    graph = onnx.load(io.BytesIO(as_onnx(network, ARCHITECTURE, np.zeros(0)).files["model.onnx"])).graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 52
    for node in convolutions:
        named = {attribute.name: attribute for attribute in node.attribute}
        assert "auto_pad" not in named
        assert len(named["pads"].ints) == 4
    assert list(next(x for x in convolutions[0].attribute if x.name == "pads").ints) == [0, 0, 1, 1]  # 32 px, stride 2


def test_integers_take_raw_pixels_whatever_the_training_images_show(store: ObjectStore) -> None:
    import tensorflow as tf

    exported = export(store, "judge", "tflite-int8", "", lambda *_: None)
    described = json.loads(store.get(store.key(exported.files[-1])))
    assert (described["input"]["scale"], described["input"]["zero_point"]) == (1, 0)
    interpreter = tf.lite.Interpreter(model_content=store.get(store.key(exported.files[0])))
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = described["output"]["scale"], described["output"]["zero_point"]
    assert (scale, zero_point) == answer["quantization"]
    line = next(x for x in read_manifest(store, store.uri("datasets/parts/manifest.jsonl")) if x.split == "test")
    pixels = np.asarray(decode(store.get(store.key(line.file.uri))))[None]
    interpreter.set_tensor(given["index"], pixels)
    interpreter.invoke()
    dequantised = (interpreter.get_tensor(answer["index"])[0] - zero_point) * scale
    card, network = load(store, "judge")
    expected = calibrated(probabilities(network, pixels), card.calibration.temperature)[0]
    np.testing.assert_allclose(dequantised, expected, atol=0.1)


def test_an_export_that_answers_otherwise_is_not_written(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any) -> Converted:
        right = as_onnx(*arguments)
        return Converted(right.files, {"slightly wrong": lambda pixels: right.runs["ONNX Runtime"](pixels) * 0.99})

    monkeypatch.setitem(CONVERTERS, "wrong", wrong)
    with pytest.raises(FailedPrecondition, match="nothing was written"):
        export(store, "judge", "wrong", "", lambda *_: None)
    assert not list(store.list("models/classifier/judge/1/exports/wrong/"))


@pytest.mark.parametrize(("factor", "sound"), [(1e3, False), (1e6, None)])
def test_a_network_that_integers_destroy_is_not_passed_off_as_sound(factor: float, sound: bool | None) -> None:
    """One channel is scaled up and its next kernel down: the same network in floating point, but its scale of integers
    leaves nothing of the other channels, or is none that XNNPACK takes."""
    network = lively(ARCHITECTURE)
    normalisation, convolution = (network.base.get_layer(name) for name in ("block_16_project_BN", "Conv_1"))
    for weight in (normalisation.gamma, normalisation.beta):
        weight.assign(weight.numpy() * np.where(np.arange(weight.shape[0]) == 0, factor, 1))
    kernel = convolution.kernel.numpy()
    kernel[:, :, 0] /= factor
    convolution.kernel.assign(kernel)
    store = open_store("memory://")
    bundle(store, weights_bytes(network), make_dataset(store))
    if sound is None:
        with pytest.raises(FailedPrecondition, match="nothing was written"):
            export(store, "judge", "tflite-int8", "", lambda *_: None)
        assert not list(store.list("models/classifier/judge/1/exports/"))
    else:
        assert export(store, "judge", "tflite-int8", "", lambda *_: None).check.sound is sound


def test_grown_copies_and_rejected_images_count_nowhere(store: ObjectStore) -> None:
    lines = read_manifest(store, store.uri("datasets/parts/manifest.jsonl"))
    test = [x for x in lines if x.split == "test"]
    changed = [
        replace(test[0], origin=replace(test[0].origin, augmentation="mirror-x")),
        replace(test[1], judgement=replace(test[1].judgement, verdict="rejected")),
    ]
    manifest = write_dataset(store, "changed", [*changed, *test[2:]], {})
    assert export(store, "judge", "onnx", manifest, lambda *_: None).check.images == len(test) - 2
    uri, _ = evaluate(store, "e", "judge", manifest, "test", lambda *_: None)
    evaluated = json.loads(store.get(store.key(uri)))
    assert test[1].file.sha256 not in [x["sha256"] for x in evaluated["images"]]
    assert evaluated["calibration"]["images"] == len(test) - 2


def test_a_comparison_by_hand() -> None:
    original = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    exported = np.array([[0.8, 0.2], [0.4, 0.6], [0.2, 0.8]])
    check = compare(np.array([0, 0, 1]), original, {"one": exported}, DecisionRule())
    assert (check.images, check.accuracy, check.exported_accuracy) == (3, 1.0, pytest.approx(2 / 3))
    assert check.agreement == pytest.approx(2 / 3)
    assert check.max_difference == pytest.approx(0.2)
    assert not check.sound


def test_of_two_runtimes_the_one_that_agrees_least_counts() -> None:
    original = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    worse = np.array([[0.9, 0.1], [0.45, 0.55], [0.2, 0.8]])
    runs = {"XNNPACK": original, "no XNNPACK": worse}
    check = compare(np.array([0, 0, 1]), original, runs, DecisionRule())
    assert check.agreements == {"XNNPACK": 1.0, "no XNNPACK": pytest.approx(2 / 3)}
    assert (check.agreement, check.exported_accuracy) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert check.max_difference == pytest.approx(0.15)
    assert not check.sound
    assert compare(np.array([0, 0, 1]), original, {"XNNPACK": original}, DecisionRule()).sound


def test_an_export_that_decides_otherwise_is_not_sound_although_its_labels_agree() -> None:
    """Integers have steps of 1/256: below half of one a defect that was rejected at 0.1% passes."""
    original = np.array([[0.0015, 0.9985], [0.0005, 0.9995], [0.9, 0.1], [0.0002, 0.9998]])
    rounded = np.round(original * 256) / 256
    rule = DecisionRule(temperature=3.0, good=1, threshold=0.001)  # both are calibrated: the temperature counts no more
    check = compare(np.array([0, 1, 0, 1]), original, {"XNNPACK": rounded}, rule)
    assert (check.agreement, check.decision_agreement) == (1.0, 0.75)
    assert not check.sound
    assert compare(np.array([0, 1, 0, 1]), original, {"XNNPACK": rounded}, DecisionRule()).decision_agreement is None


@pytest.mark.parametrize("format_", ["tflite", "tflite-int8"])
def test_tflite_is_measured_with_and_without_xnnpack(store: ObjectStore, format_: str) -> None:
    exported = export(store, "judge", format_, "", lambda *_: None)
    assert set(exported.check.agreements) == {"XNNPACK", "no XNNPACK"}
    assert exported.check.agreement == min(exported.check.agreements.values())


def test_what_cannot_be_exported_is_refused(store: ObjectStore) -> None:
    with pytest.raises(InvalidInput, match="use saved-model, tflite"):
        export(store, "judge", "pickle", "", lambda *_: None)


def test_every_format_can_be_chosen() -> None:
    assert tuple(CONVERTERS) == FORMATS
