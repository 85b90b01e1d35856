"""A base computed without TensorFlow makes of images what Keras' network makes of them, however many come at once."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from services.classifier import onnx_session
from services.classifier.architecture import Architecture
from services.classifier.model import Network, build, settle, weights_of
from services.classifier.onnx_graph import top_to_onnx
from services.classifier.onnx_session import Computed
from services.classifier.standing import standing_base

WIDE = Architecture(labels=("defect", "good", "other"), input_px=64, width_multiplier=1.4, head_units=8)
NARROW = Architecture(labels=("defect", "good"), input_px=96, width_multiplier=0.35, head_units=8)


@pytest.fixture(scope="module", params=[WIDE, NARROW], ids=["wide", "narrow"])
def network(request: pytest.FixtureRequest) -> tuple[Architecture, Network]:
    """One whose batch normalisations are none that do nothing."""
    network, random = build(request.param, seed=3), np.random.default_rng(5)
    for weight in network.model.weights:
        if "moving_" in weight.path or weight.path.endswith(("gamma", "beta")):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return request.param, network


def images(architecture: Architecture, count: int) -> np.ndarray:
    size = architecture.input_px
    return np.random.default_rng(7).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def test_embeddings_are_those_of_keras(network: tuple[Architecture, Network]) -> None:
    architecture, keras_network = network
    pixels = images(architecture, 11)
    base = standing_base(architecture, weights_of(keras_network))
    wanted = keras_network.embed(pixels.astype(np.float32), training=False).numpy()
    assert base.channels == wanted.shape[1]
    np.testing.assert_allclose(base.embed(pixels), wanted, rtol=1e-4, atol=1e-5 * wanted.max())


def test_probabilities_are_those_of_keras(network: tuple[Architecture, Network]) -> None:
    architecture, keras_network = network
    embeddings = standing_base(architecture, weights_of(keras_network)).embed(images(architecture, 11))
    settle(keras_network.top, embeddings)
    top = Computed(top_to_onnx(architecture, weights_of(keras_network)))
    np.testing.assert_allclose(top(embeddings), keras_network.top(embeddings, training=False).numpy(), atol=1e-5)


def test_a_base_is_known_by_the_hash_that_its_kept_features_have_had_since_keras_computed_them(
    network: tuple[Architecture, Network],
) -> None:
    architecture, keras_network = network
    by_keras = hashlib.sha256(b"".join(weight.tobytes() for weight in keras_network.base.get_weights())).hexdigest()
    assert standing_base(architecture, weights_of(keras_network)).sha256 == by_keras


@pytest.mark.parametrize("cores", [1, 3])
def test_neither_the_batch_nor_the_cores_change_a_bit(
    network: tuple[Architecture, Network], cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture, keras_network = network
    pixels = images(architecture, 10)
    base = standing_base(architecture, weights_of(keras_network))
    whole = base.embed(pixels)
    monkeypatch.setattr(onnx_session, "cores", lambda: cores)
    np.testing.assert_array_equal(base.embed(pixels), whole)
    for count in (1, 2, 3, 7):
        np.testing.assert_array_equal(base.embed(pixels[:count]), whole[:count])
    assert base.embed(pixels[:0]).shape == (0, base.channels)


def test_evaluations_and_scores_import_no_framework() -> None:
    code = (
        "import sys; from services.classifier import evaluation, scoring; "
        "print([name for name in ('tensorflow', 'keras', 'torch') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
