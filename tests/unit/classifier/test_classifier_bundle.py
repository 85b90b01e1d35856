"""A bundle is read back as it was written, and one that is not what it says is refused with the reason."""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import structlog

from defectory.errors import Corrupted
from defectory.storage import ObjectStore, open_store
from services.classifier.architecture import Architecture
from services.classifier.bundle import load, read_bundle, read_cycle, weights_bytes
from services.classifier.card import ClassifierCard, Preprocessing
from services.classifier.cards import read_card
from services.classifier.golden import check_golden, record
from services.classifier.layers import weight_shapes
from services.classifier.model import Network, build, probabilities
from tests.unit.classifier.classifier_samples import ARCHITECTURE, bundle, lively


@pytest.fixture(scope="module")
def network() -> Network:
    """Takes no weights in these tests, save those it has."""
    return build(ARCHITECTURE, seed=5)


@pytest.fixture(scope="module")
def weights(network: Network) -> bytes:
    return weights_bytes(network)


def test_what_was_written_is_read(network: Network, weights: bytes) -> None:
    store, card = bundle(open_store("memory://"), weights)
    assert read_card(store, "judge") == card
    read, loaded = load(store, "judge/1")
    assert read.rule == card.rule
    assert card.rule.good == 1
    assert weights_bytes(loaded) == weights
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded.model(images).numpy(), network.model(images).numpy())
    card_alone, tensors = read_bundle(store, "judge/1")
    assert card_alone == card
    assert {path: value.tobytes() for path, value in tensors.items()} == {
        weight.path: weight.numpy().tobytes() for weight in network.model.weights
    }


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.3, 1.4])
def test_the_layers_are_those_that_keras_builds(width: float) -> None:
    architecture = Architecture(labels=("a", "b", "c"), input_px=32, width_multiplier=width, head_units=16)
    built = {weight.path: tuple(weight.shape) for weight in build(architecture).model.weights}
    assert weight_shapes(architecture) == built


def test_a_file_of_other_weights_is_no_network_without_tensorflow_either(network: Network, weights: bytes) -> None:
    tensors = safetensors.numpy.load(weights)
    for change, reason in (
        ({"dense/kernel": tensors["dense/kernel"].T.copy()}, "'dense/kernel' is"),
        ({"dense/kernel": tensors["dense/kernel"].astype(np.float64)}, "is float64"),
        ({"dense/bias": np.full(8, np.nan, np.float32)}, "not finite"),
        ({"odd": np.zeros(1, np.float32)}, "has a foreign 'odd'"),
    ):
        store, _ = bundle(open_store("memory://"), safetensors.numpy.save({**tensors, **change}))
        for reads in (read_bundle, load):
            with pytest.raises(Corrupted, match=reason):
                reads(store, "judge")


def test_golden_answers_are_checked() -> None:
    network = lively(ARCHITECTURE)
    answer = partial(probabilities, network)
    _, card = bundle(open_store("memory://"), weights_bytes(network))
    with structlog.testing.capture_logs() as logs:
        check_golden(card, answer)  # which has none
    assert [(line["log_level"], line["model"]) for line in logs] == [("warning", "judge/1")]
    golden = record(answer, card.preprocessing, ARCHITECTURE.input_px)
    kept = ClassifierCard.model_validate_json(card.model_copy(update={"golden": golden}).model_dump_json())
    check_golden(kept, answer)
    moved = tuple((a + 0.01, b - 0.01) for a, b in golden.probabilities)
    for change, reason in (
        ({"probabilities": moved}, r"judge/1 answers its golden inputs up to 0.01 away"),
        ({"probabilities": ((float("nan"),) * 2,) * 4}, "up to nan away"),
        ({"jpeg": "no base64"}, "is no JPEG"),
        ({"jpeg": "AAAA"}, "is no JPEG"),
    ):
        with pytest.raises(Corrupted, match=reason):
            check_golden(card.model_copy(update={"golden": golden.model_copy(update=change)}), answer)
    # The file's way counts as well: with another preprocessing than the training's the answer is another.
    cropped = kept.model_copy(update={"preprocessing": Preprocessing(square_px=64, fit="crop")})
    with pytest.raises(Corrupted, match="golden inputs"):
        check_golden(cropped, answer)


def rewritten(weights: bytes, **changes: object) -> ObjectStore:
    """A store whose card has other fields."""
    store, card = bundle(open_store("memory://"), weights)
    fields = {**json.loads(store.get(card.prefix + "model.json")), **changes}
    store.put(card.prefix + "model.json", json.dumps(fields).encode())
    return store


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"surprise": 1}, "surprise"),
        ({"format": 1}, "format 2.*train the classifier again"),
        ({"format": None}, "format 2"),
        ({"main_cycle": 3}, "main_cycle 3"),
        ({"target_layer": "lambda"}, "target_layer"),
        ({"golden": {"jpeg": "", "probabilities": [[1]] * 4}}, "golden.probabilities must have 2 columns"),
        ({"preprocessing": {"colour": "bgr"}}, r"preprocessing.colour"),
        ({"architecture": {"labels": ["a"], "input_px": 32}}, r"architecture.labels"),
        ({"architecture": {"labels": ["a", "b"], "input_px": 32}}, "operating_point.good"),
        ({"architecture": {"labels": [str(i) for i in range(1001)], "input_px": 32}}, "at most 1000 items"),
        ({"architecture": {"labels": ["a", "b" * 201], "input_px": 32}}, "at most 200 characters"),
        ({"architecture": {"labels": ["a", "b"], "input_px": 32, "head_units": 4097}}, r"architecture.head_units"),
        ({"cycles": [{"seed": 0, "best_epoch": 1,
                      "weights": {"file": "x.safetensors", "sha256": "0" * 64, "size": 1 << 30}}]}, r"weights.size"),
        ({"architecture": {"labels": ["a", "a"], "input_px": 32}}, "twice"),
        ({"calibration": {"temperature": 0}}, r"calibration.temperature"),
        ({"calibration": {"temperature": float("inf")}}, r"calibration.temperature"),
        ({"calibration": {"temperature": 1e-310}}, r"calibration.temperature"),
        ({"architecture": {"labels": ["a", "b"], "input_px": 32, "l2": 11}}, r"architecture.l2"),
        ({"cycles": [{"seed": 0, "best_epoch": 1,
                      "weights": {"file": "x.safetensors", "sha256": "0" * 64, "size": 1}}] * 101}, "at most 100 item"),
        ({"metrics": {split: {} for split in "abcd"}}, "metrics: .*at most 3 items"),
        ({"metrics": {"test": {str(i): {"mean": 0} for i in range(101)}}}, "metrics.test: .*at most 100 items"),
        ({"cycles": [{"seed": 0, "best_epoch": 1,
                      "weights": {"file": "../../x.safetensors", "sha256": "0" * 64, "size": 1}}]}, r"weights.file"),
        ({"name": "other"}, "says that it is other/1"),
        ({"settings": {"epochs": 0}}, r"settings.epochs"),
    ],
)  # fmt: skip
def test_a_card_that_is_not_one_is_refused(weights: bytes, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(Corrupted, match=reason):
        read_card(rewritten(weights, **changes), "judge")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null"])
def test_what_is_no_card_at_all_is_refused(weights: bytes, content: bytes) -> None:
    store, card = bundle(open_store("memory://"), weights)
    store.put(card.prefix + "model.json", content)
    with pytest.raises(Corrupted, match="judge/1"):
        read_card(store, "judge")


def test_weights_are_checked_before_they_are_read_and_a_network_is_built(
    weights: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store, card = bundle(open_store(f"file://{tmp_path}"), weights)
    monkeypatch.setattr("services.classifier.model.build", lambda _: pytest.fail("a network is built"))
    store.put(card.prefix + card.weights.file, weights[:-1] + b"x")
    with pytest.raises(Corrupted, match="SHA-256"):
        load(store, "judge")
    store.put(card.prefix + card.weights.file, weights + b"x")
    get = store.get
    monkeypatch.setattr(store, "get", lambda key: pytest.fail("it is read") if "cycle-" in key else get(key))
    with pytest.raises(Corrupted, match="bytes, its card says"):
        load(store, "judge")


def test_missing_weights_are_a_broken_bundle(weights: bytes) -> None:
    store, card = bundle(open_store("memory://"), weights)
    store.delete(card.prefix + card.weights.file)
    with pytest.raises(Corrupted, match="are not in the store"):
        load(store, "judge")


def test_weights_of_another_size_or_hash_are_refused(weights: bytes) -> None:
    for changed, reason in ((weights[:-1], "bytes, its card says"), (weights[:-1] + b"x", "SHA-256")):
        store, card = bundle(open_store("memory://"), weights)
        store.put(card.prefix + card.weights.file, changed)
        with pytest.raises(Corrupted, match=reason):
            read_cycle(store, read_card(store, "judge"), 0)


def with_tensors(weights: bytes, change: dict[str, np.ndarray | None]) -> bytes:
    tensors: dict[str, np.ndarray | None] = {**safetensors.numpy.load(weights), **change}
    return safetensors.numpy.save({name: value for name, value in tensors.items() if value is not None})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dense/bias": None}, "lacks 'dense/bias'"),
        ({"dense/more": np.zeros(2, np.float32)}, "foreign 'dense/more'"),
        (
            {"dense/bias": np.zeros(9, np.float32)},
            r"'dense/bias' is float32\(9,\), the architecture wants float32\(8,\)",
        ),
        ({"dense/bias": np.zeros(8, np.float64)}, r"float64\(8,\)"),
        ({"dense/bias": np.full(8, np.nan, np.float32)}, "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused_though_the_card_vouches_for_them(
    weights: bytes, change: dict[str, np.ndarray | None], reason: str
) -> None:
    store, _ = bundle(open_store("memory://"), with_tensors(weights, change))
    with pytest.raises(Corrupted, match=reason):
        read_cycle(store, read_card(store, "judge"), 0)


@pytest.mark.parametrize("data", [b"\x80\x04cos\nsystem\n", b"\x89HDF\r\n\x1a\n" + bytes(100), b"\xff" * 64, b""])
def test_files_that_are_no_safetensors_are_refused(weights: bytes, data: bytes) -> None:
    entry = {"file": "cycle-0.safetensors", "sha256": hashlib.sha256(data).hexdigest(), "size": max(1, len(data))}
    store = rewritten(weights, cycles=[{"seed": 0, "best_epoch": 1, "weights": entry}])
    store.put("models/classifier/judge/1/cycle-0.safetensors", data)
    with pytest.raises(Corrupted, match=r"not a safetensors file|bytes, its card says"):
        read_cycle(store, read_card(store, "judge"), 0)
