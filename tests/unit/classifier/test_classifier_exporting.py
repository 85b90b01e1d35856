"""Every format gives the original's probabilities; ONNX for every kind of layer, at odd sizes too."""

import io
import json

import numpy as np
import onnx
import pytest

from defectory.errors import InvalidInput
from defectory.storage import ObjectStore, open_store
from services.classifier.bundle import load, weights_bytes
from services.classifier.decision import calibrated
from services.classifier.exporting.export import FORMATS, compare, export
from services.classifier.exporting.formats import onnx as as_onnx
from services.classifier.model import Architecture, probabilities
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
    assert 0 < exported.check.max_difference < (0.05 if format_ == "tflite-int8" else 1e-4)
    assert exported.check.agreement == 1 or format_ == "tflite-int8"
    assert all(store.exists(store.key(uri)) for uri in exported.files)


def test_the_temperature_is_built_in(store: ObjectStore) -> None:
    import onnxruntime

    card, network = load(store, "judge")
    exported = export(store, "judge", "onnx", "", lambda *_: None)
    content = store.get(store.key(exported.files[0]))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    found = onnxruntime.InferenceSession(content).run(None, {"image": pixels.astype(np.float32)})[0]
    expected = calibrated(probabilities(network, pixels), card.calibration.temperature)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert {node.domain for node in onnx.load(io.BytesIO(content)).graph.node} == {""}


@pytest.mark.parametrize("size", [33, 48])
def test_onnx_pads_like_keras_at_odd_and_even_sizes(size: int) -> None:
    architecture = Architecture(labels=("a", "b", "c"), input_px=size, width_multiplier=0.35, head_units=8)
    network = lively(architecture)
    _, answer = as_onnx(network, architecture, np.zeros(0))
    pixels = np.random.default_rng(1).integers(0, 256, (3, size, size, 3)).astype(np.uint8)
    expected = probabilities(network, pixels)
    assert np.ptp(expected, axis=0).max() > 0.05
    np.testing.assert_allclose(answer(pixels), expected, atol=1e-4)


def test_a_comparison_by_hand() -> None:
    original = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    exported = np.array([[0.8, 0.2], [0.4, 0.6], [0.2, 0.8]])
    check = compare(np.array([0, 0, 1]), original, exported)
    assert (check.images, check.accuracy, check.exported_accuracy) == (3, 1.0, pytest.approx(2 / 3))
    assert check.agreement == pytest.approx(2 / 3)
    assert check.max_difference == pytest.approx(0.2)


def test_what_cannot_be_exported_is_refused(store: ObjectStore) -> None:
    with pytest.raises(InvalidInput, match="use saved-model, tflite"):
        export(store, "judge", "pickle", "", lambda *_: None)
