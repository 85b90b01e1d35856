"""What a training learns, and what it leaves alone: the base's statistics stand still, and 32 images can be learnt."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf

from defectory.job_settings.classifier_recipes import DIFFERENCES
from services.classifier.architecture import Architecture
from services.classifier.model import Network, build
from services.classifier.settings import training_settings
from services.classifier.training.schedule import Schedule
from services.classifier.training.trainer import Trainer

SMALL = {"input_px": 32, "width_multiplier": 0.35}
ARCHITECTURE = Architecture(labels=("a", "b"), input_px=32, width_multiplier=0.35)
COUNT = 32


def drawings() -> tuple[np.ndarray, np.ndarray]:
    """Plates (32, 32, 32, 3) of any colour; those of label 1 have a scratch."""
    random = np.random.default_rng(0)
    pixels = np.tile(random.integers(60, 200, (COUNT, 1, 1, 3)), (1, 32, 32, 1)) + random.normal(
        0, 8, (COUNT, 32, 32, 3)
    )
    labels = np.arange(COUNT) % 2
    for image in (pixels[number] for number in np.flatnonzero(labels)):
        row, column = random.integers(2, 20, 2)
        image[row : row + 3, column : column + 10] = 255
    return pixels.clip(0, 255).astype(np.uint8), labels


def statistics(network: Network) -> dict[str, bytes]:
    """Moving means and variances of the base."""
    return {v.path: v.numpy().tobytes() for v in network.base.variables if v.name.startswith("moving_")}


def learnt(network: Network) -> list[bytes]:
    return [v.numpy().tobytes() for v in network.base.variables if not v.name.startswith("moving_")]


def base_that_knows(pixels: np.ndarray) -> list[np.ndarray]:
    """Weights of a base with random kernels and the images' own statistics: without any, activations die out."""
    keras.utils.set_random_seed(0)
    base = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    base(pixels / 127.5 - 1, training=True)
    weights: list[np.ndarray] = base.get_weights()
    return weights


@pytest.fixture
def uncompiled() -> Iterator[None]:
    """Steps run as they are written: to compile one for a step or two takes longer than they do."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("part", ["none", "top", "all"])
@pytest.mark.parametrize("recipe", DIFFERENCES)
def test_the_bases_batch_normalisation_keeps_its_statistics(recipe: str, part: str) -> None:
    settings = training_settings({"recipe": recipe, **SMALL, "trainable_base": part, "augment": 0.5, "batch": 8}, 32)
    trainer = Trainer(ARCHITECTURE, settings, np.ones(2))
    network = trainer.network
    pixels, labels = drawings()
    stood, knew = statistics(network), learnt(network)
    assert len(stood) == 104
    trainer.train(pixels[:8], labels[:8], 0.0, Schedule(settings, COUNT).moves(0, 0))
    assert statistics(network) == stood
    assert (learnt(network) == knew) is (part == "none")  # what is to learn has learnt


def test_settled_by_one_batch_the_head_answers_as_it_learned_from_it() -> None:
    without_chance = ARCHITECTURE.model_copy(update={"dropout": 0.0})
    trainer = Trainer(without_chance, training_settings({"recipe": "paper", **SMALL}, 32), np.ones(2))
    features = np.random.default_rng(0).normal(3, 2, (COUNT, 1280)).astype(np.float32)
    top = trainer.network.top
    assert np.abs(top(features, training=False) - top(features, training=True)).max() > 0.01
    trainer.settle(features)
    np.testing.assert_allclose(top(features, training=False), top(features, training=True), atol=1e-5)


@pytest.mark.usefixtures("uncompiled")
def test_a_base_that_starts_from_nothing_estimates_its_own_statistics() -> None:
    settings = training_settings({"recipe": "paper", **SMALL, "initial_weights": "random"}, 32)
    trainer = Trainer(ARCHITECTURE, settings, np.ones(2))
    pixels, labels = drawings()
    stood = statistics(trainer.network)
    trainer.train(pixels[:8], labels[:8], 0.0, None)
    moved = statistics(trainer.network)
    assert all(moved[path] != before for path, before in stood.items())


def test_no_way_to_call_the_network_moves_the_bases_statistics() -> None:
    network = build(ARCHITECTURE)
    images = drawings()[0].astype(np.float32)
    stood = statistics(network)
    for part in (network.backbone, network.embed):
        np.testing.assert_array_equal(part(images, training=True), part(images, training=False))
    network.model(images, training=True)
    network.base(images, training=True)
    assert statistics(network) == stood


@pytest.mark.parametrize("recipe", DIFFERENCES)
def test_every_recipe_learns_32_images_by_heart(recipe: str) -> None:
    """At a rate of 1e-3, which `best` has: with the 1e-5 of `paper` it takes minutes."""
    settings = training_settings({"recipe": recipe, **SMALL, "learning_rate": 1e-3}, 32)
    trainer = Trainer(ARCHITECTURE, settings, np.ones(2))
    pixels, labels = drawings()
    trainer.network.base.set_weights(base_that_knows(pixels))
    trainer.keep_base()
    trainer.start_cycle(0)
    stood = statistics(trainer.network)
    inputs = trainer.embed(pixels) if Schedule(settings, COUNT).embeds(0) else pixels
    for step in range(60):
        trainer.train(inputs, labels, step / 60, None)
    trainer.settle(inputs)
    assert (trainer.predict(inputs).argmax(axis=1) == labels).all()
    assert statistics(trainer.network) == stood
