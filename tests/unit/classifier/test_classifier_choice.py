"""Which version answers, and what the engines are held to."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from defectory.errors import Corrupted, InvalidInput, NotFound
from defectory.models import LABELS, read_labels, remove_label, set_label
from defectory.storage import ObjectStore, open_store
from services.classifier.architecture import Architecture
from services.classifier.model import build, weights_of
from services.classifier.serving.choice import candidates, parse_models
from services.classifier.serving.engine import check_engine, make_engine, probe, reference


@pytest.mark.parametrize(
    ("labels", "pinned", "serving", "order"),
    [
        ({}, "", "", ["3", "2", "1"]),
        ({}, "", "1", ["3", "2", "1"]),
        ({"stable": "2"}, "", "", ["2", "3", "1"]),
        ({"stable": "2"}, "", "1", ["2", "1", "3"]),
        ({"stable": "9"}, "", "1", ["1", "3", "2"]),
        ({"canary": "1"}, "", "", ["3", "2", "1"]),
        ({"stable": "2"}, "1", "3", ["1"]),
        ({}, "9", "3", []),
    ],
)  # fmt: skip
def test_the_order_in_which_versions_are_tried(labels: dict, pinned: str, serving: str, order: list[str]) -> None:
    assert list(dict.fromkeys(candidates(["3", "2", "1"], labels, pinned, serving))) == order


def test_models_to_serve_are_read_from_a_list() -> None:
    assert parse_models("") == {}
    assert parse_models("screws, cables=3") == {"screws": "", "cables": "3"}
    for wrong in ("Screws", "cables=new", "=3", "cables=1,cables=2", "cables,cables"):
        with pytest.raises(InvalidInput, match="models"):
            parse_models(wrong)


def test_labels_move_and_only_to_versions_that_there_are(store: ObjectStore) -> None:
    for version in ("1", "2"):
        store.put(f"models/classifier/parts/{version}/model.json", b"{}")
    assert read_labels(store, "classifier", "parts") == {}
    assert set_label(store, "classifier", "parts/1", "stable") == {"stable": "1"}
    assert set_label(store, "classifier", "parts/2", "canary") == {"stable": "1", "canary": "2"}
    assert set_label(store, "classifier", "parts/2", "stable") == {"stable": "2", "canary": "2"}
    assert read_labels(store, "classifier", "parts") == {"stable": "2", "canary": "2"}
    for model, label, error in (
        ("parts/1", "newest", InvalidInput), ("parts", "stable", InvalidInput), ("parts/3", "stable", NotFound),
    ):  # fmt: skip
        with pytest.raises(error):
            set_label(store, "classifier", model, label)
    assert remove_label(store, "classifier", "parts", "canary") == {"stable": "2"}
    for model, label, error in (
        ("parts", "newest", InvalidInput), ("parts/2", "stable", InvalidInput), ("parts", "canary", NotFound),
    ):  # fmt: skip
        with pytest.raises(error):
            remove_label(store, "classifier", model, label)
    assert read_labels(store, "classifier", "parts") == {"stable": "2"}


def test_labels_set_at_the_same_time_all_stand(store: ObjectStore) -> None:
    for version in ("1", "2"):
        store.put(f"models/classifier/parts/{version}/model.json", b"{}")
    for _ in range(10):
        for label in LABELS:
            if label in read_labels(store, "classifier", "parts"):
                remove_label(store, "classifier", "parts", label)
        with ThreadPoolExecutor(2) as pool:
            list(
                pool.map(
                    lambda pair: set_label(store, "classifier", *pair), [("parts/1", "stable"), ("parts/2", "canary")]
                )
            )
        assert read_labels(store, "classifier", "parts") == {"stable": "1", "canary": "2"}


def test_labels_that_are_none_are_said_to_be_damaged() -> None:
    store = open_store("memory://")
    for damaged in (b"", b"newest", b"-1", b"1.5", b"\xff", "²".encode()):
        store.put("models/classifier/parts/labels/stable", damaged)
        with pytest.raises(Corrupted):
            read_labels(store, "classifier", "parts")


@pytest.mark.parametrize("name", ["openvino", "openvino-bf16", "onnxruntime", "tensorflow"])
def test_engines_answer_as_the_network_does_for_every_number_of_images(name: str) -> None:
    architecture = Architecture(labels=("a", "b"), input_px=32, width_multiplier=0.35, head_units=8)
    network = build(architecture, seed=0)
    for weight in network.model.weights:
        if weight.path.endswith("kernel"):
            weight.assign(weight * 3)
    engine = make_engine(name, architecture, weights_of(network), threads=2)  # type: ignore[arg-type]
    images = probe(32, engine.batch)
    wanted = network.model(images, training=False).numpy()
    assert np.ptp(wanted[:, 0]) > 0.02
    for count in range(1, engine.batch + 1):
        for alone in (False, True):
            probabilities = engine.run(images[:count], alone)
            np.testing.assert_allclose(probabilities, wanted[:count], atol=0.1 if name == "openvino-bf16" else 1e-5)
    np.testing.assert_allclose(reference(architecture, weights_of(network))(images), wanted, atol=1e-5)
    check_engine(engine, lambda x: network.model(x, training=False).numpy(), 32, "parts/1")
    with pytest.raises(Corrupted, match="parts/1"):
        check_engine(engine, lambda x: 1 - network.model(x, training=False).numpy(), 32, "parts/1")
