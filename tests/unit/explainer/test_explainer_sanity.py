"""The randomisation check: rank correlation as SciPy's, heat that follows the weights, weights that come back."""

import numpy as np
import pytest
from scipy import stats

from services.classifier.architecture import Architecture
from services.classifier.model import build
from services.explainer.cam import Cam
from services.explainer.sanity import STAGES, randomisation_check, rank_correlation

SMALL = Architecture(labels=("a", "b"), input_px=96, width_multiplier=0.35, head_units=8)


def test_rank_correlation_is_spearmans() -> None:
    random = np.random.default_rng(0)
    first, second = np.maximum(random.normal(size=(2, 7, 7)), 0)  # with many ties at 0
    expected = stats.spearmanr(first.ravel(), second.ravel()).statistic
    assert rank_correlation(first, second) == pytest.approx(expected)
    assert rank_correlation(first, np.zeros((7, 7))) == 0


def test_weights_come_back_and_a_network_compared_with_itself_fails() -> None:
    network = build(SMALL, seed=5)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 96, 96, 3)).astype(np.uint8)
    before, heat = [w.numpy() for w in network.model.weights], Cam(network).heats(pixels).heat
    check = randomisation_check(SMALL, network, Cam(network), pixels, seed=6)
    assert list(check["stages"]) == list(STAGES)
    assert all(-1 <= value <= 1 for value in check["stages"].values())
    for weight, value in zip(network.model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    np.testing.assert_array_equal(Cam(network).heats(pixels).heat, heat)
    itself = randomisation_check(SMALL, network, Cam(network), pixels, seed=5)  # "random" weights are its own
    assert itself["stages"]["everything"] == pytest.approx(1)
    assert itself["passed"] is False


def test_heat_that_is_even_says_nothing() -> None:
    network = build(SMALL, seed=5)
    network.top.get_layer("probabilities").kernel.assign(np.zeros((8, 2), np.float32))  # nothing speaks for anything
    pixels = np.random.default_rng(1).integers(0, 256, (2, 96, 96, 3)).astype(np.uint8)
    assert randomisation_check(SMALL, network, Cam(network), pixels) == {"stages": {}, "passed": None}


def test_heatmaps_of_a_few_cells_say_nothing() -> None:
    architecture = SMALL.model_copy(update={"input_px": 64})
    pixels, network = np.zeros((1, 64, 64, 3), np.uint8), build(architecture)
    assert randomisation_check(architecture, network, Cam(network), pixels) == {"stages": {}, "passed": None}
