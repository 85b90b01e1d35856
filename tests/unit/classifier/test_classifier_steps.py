"""Losses against Keras' own; steps, schedule, order and moves against what they should do."""

import re
from collections import Counter
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from defectory.datasets.manifest_line import ManifestLine, Origin, PictureFile
from services.classifier.architecture import Architecture
from services.classifier.data import cap_synthetic
from services.classifier.model import Network, build
from services.classifier.settings import TrainingSettings, training_settings
from services.classifier.training.augment import apply_moves
from services.classifier.training.measurement import focal_loss as measured_loss
from services.classifier.training.moves import Moves, draw_moves
from services.classifier.training.order import Drawable, batches
from services.classifier.training.schedule import Schedule
from services.classifier.training.trainer import Trainer, focal_loss

SMALL = {
    "recipe": "paper",
    "input_px": 32,
    "width_multiplier": 0.35,
    "head_units": 8,
    "initial_weights": "random",
    "batch": 4,
}
ARCHITECTURE = Architecture(labels=("a", "b"), input_px=32, width_multiplier=0.35, head_units=8)


def predictions(classes: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(classes)
    labels = random.integers(0, classes, count)
    return np.eye(classes, dtype=np.float32)[labels], random.dirichlet(np.ones(classes), count).astype(np.float32)


@pytest.mark.parametrize("gamma", [0.0, 2.0, 3.5])
def test_over_two_labels_the_loss_is_keras_binary_focal_cross_entropy(gamma: float) -> None:
    one_hot, p = predictions(2)
    theirs = keras.losses.BinaryFocalCrossentropy(gamma=gamma)(one_hot, p)
    assert float(tf.reduce_mean(focal_loss(one_hot, p, gamma, 0.0))) == pytest.approx(float(theirs), rel=1e-5)
    assert measured_loss(one_hot.argmax(1), p, gamma) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize(("gamma", "smoothing"), [(0.0, 0.0), (2.0, 0.0), (2.0, 0.1)])
def test_over_more_labels_it_is_keras_categorical_focal_cross_entropy(gamma: float, smoothing: float) -> None:
    one_hot, p = predictions(5)
    theirs = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=gamma, label_smoothing=smoothing)(one_hot, p)
    assert float(tf.reduce_mean(focal_loss(one_hot, p, gamma, smoothing))) == pytest.approx(float(theirs), rel=1e-5)


def variables(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """All trainable values of the head, and of the base."""
    parts = (network.top, network.base)
    head, base = (np.concatenate([v.numpy().ravel() for v in part.trainable_variables]) for part in parts)
    return head, base


@pytest.mark.slow
def test_equal_rates_are_one_adam_over_everything() -> None:
    without_chance = ARCHITECTURE.model_copy(update={"dropout": 0.0})
    trainer = Trainer(without_chance, training_settings({**SMALL, "learning_rate": 1e-3}, 32), np.ones(2))
    trainer.start_cycle(3)
    reference = build(without_chance, seed=3, keeps_statistics=False)  # from nothing, as SMALL says
    model = reference.model
    adam = keras.optimizers.Adam(1e-3)
    random = np.random.default_rng(0)
    # Adam's first steps are as large for a gradient of rounding errors, so a few values may differ. Over 4 images the
    # next step magnifies that, by how much depends on the processor. So both start it from the same weights, each with
    # the moments of its own first.
    for step in range(2):
        for ours, theirs in zip(trainer.network.model.variables, model.variables, strict=True):
            theirs.assign(ours)
        images, labels = random.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8), np.array([0, 1, 1, 0])
        trainer.train(images, labels, step / 2, None)
        with tf.GradientTape() as tape:
            # The identity hides the softmax's logits, which Keras would take for a sigmoid's.
            p = tf.identity(model(tf.cast(images, tf.float32), training=True))
            loss = keras.losses.BinaryFocalCrossentropy(gamma=2.0)(np.eye(2)[labels], p) + tf.add_n(model.losses)
        adam.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        for ours, theirs in zip(variables(trainer.network), variables(reference), strict=True):
            assert np.isclose(ours, theirs, atol=2e-4).mean() > 0.99


@pytest.mark.slow
def test_the_warm_up_leaves_the_base_alone_and_a_base_rate_slows_it() -> None:
    images, labels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8), np.array([0, 1, 1, 0])
    settings = training_settings({**SMALL, "learning_rate": 1e-3, "base_rate": 0.1, "warmup_rate": 0.01}, 32)
    trainer = Trainer(ARCHITECTURE, settings, np.ones(2))
    trainer.start_cycle(0)
    np.testing.assert_allclose(trainer.predict(images), trainer.predict(trainer.embed(images)), atol=1e-6)
    assert trainer.predict(images[:0]).shape == (0, 2)
    head, base = variables(trainer.network)
    trainer.train(trainer.embed(images), labels, -1.0, None)
    warm_head, warm_base = variables(trainer.network)
    np.testing.assert_array_equal(base, warm_base)
    assert np.abs(warm_head - head).max() == pytest.approx(0.01, rel=0.05)  # Adam's first step is the rate
    trainer.start_cycle(0)
    trainer.train(images, labels, 0.0, None)
    tuned_head, tuned_base = variables(trainer.network)
    assert np.abs(tuned_head - head).max() == pytest.approx(1e-3, rel=0.05)
    assert np.abs(tuned_base - base).max() == pytest.approx(1e-4, rel=0.05)


def test_steps_from_the_stem_are_those_from_the_images() -> None:
    images, labels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.uint8), np.array([0, 1, 1, 0])
    architecture = Architecture(labels=("a", "b"), input_px=64, head_units=8, dropout=0.0)
    values = {
        "recipe": "paper",
        "input_px": 64,
        "head_units": 8,
        "dropout": 0.0,
        "initial_weights": "starter",
        "trainable_base": "top",
    }
    trainer = Trainer(architecture, training_settings({**values, "learning_rate": 1e-4}, 64), np.ones(2))
    trainer.keep_base()
    after = {}
    for stage in ("pixels", "stem"):
        trainer.start_cycle(0)
        inputs = trainer.features(stage, images)
        np.testing.assert_allclose(trainer.predict(inputs), trainer.predict(images), atol=1e-6)
        began = trainer.network.base.get_weights()
        trainer.train(inputs, labels, 0.0, None)
        trainer.settle(inputs)
        after[stage] = np.concatenate([v.numpy().ravel() for v in trainer.network.model.variables])
        moved = [name for name, a, b in zip(
            [v.path for v in trainer.network.base.weights], began, trainer.network.base.get_weights(), strict=True
        ) if not np.array_equal(a, b)]  # fmt: skip
        assert moved
        assert all(re.search(r"block_1[3-6]_|Conv_1", path) for path in moved)
        assert not any("moving" in path for path in moved)
    assert np.isclose(after["stem"], after["pixels"], atol=2e-5).mean() > 0.99


def test_what_stands_still_is_computed_once() -> None:
    def stages(**values: object) -> list[str]:
        settings = training_settings({"recipe": "paper", "warmup_epochs": 1, "epochs": 2, **values}, 64)
        return [Schedule(settings, images=20).stage(epoch) for epoch in (0, 1)]

    assert stages(trainable_base="none") == ["pooled", "pooled"]
    assert stages(trainable_base="none", augment=0.1) == ["pooled", "views"]
    assert stages(trainable_base="none", augment=0.1, views=0) == ["pooled", "pixels"]
    assert stages(trainable_base="none", augment=0.1, initial_weights="random") == ["pooled", "pixels"]
    assert stages(trainable_base="top") == ["pooled", "stem"]
    assert stages(trainable_base="top", augment=0.1) == ["pooled", "pixels"]
    assert stages(trainable_base="top", initial_weights="random") == ["pooled", "pixels"]
    assert stages(trainable_base="all") == ["pooled", "pixels"]


def test_a_schedule_warms_up_decays_and_loses_patience() -> None:
    settings = TrainingSettings(epochs=10, warmup_epochs=4, patience=3, batch=8, decay="cosine", augment=0.5)
    schedule = Schedule(settings, images=20)
    assert schedule.steps == 3
    assert [schedule.embeds(epoch) for epoch in (0, 3, 4, 9)] == [True, True, False, False]
    assert [schedule.progress(step) for step in (0, 11, 12, 21)] == [-1.0, -1.0, 0.0, 0.5]
    assert not schedule.ends(6, best=2)  # two epochs after the warm-up: patience is not lost yet
    assert schedule.ends(7, best=2)
    assert not schedule.ends(7, best=6)
    assert schedule.ends(10, best=10)
    frozen = Schedule(TrainingSettings(trainable_base="none"), images=20)
    assert frozen.embeds(39)
    assert Schedule(TrainingSettings(trainable_base="none", mirror_x=True), images=20).embeds(0)
    assert not Schedule(TrainingSettings(trainable_base="none", mirror_x=True, views=0), images=20).embeds(0)


def test_moves_depend_on_seed_and_step_alone() -> None:
    def draw(seed: int, step: int) -> Moves:
        moves = draw_moves(8, 64, 0.7, True, False, seed, step)
        assert moves is not None
        return moves

    np.testing.assert_array_equal(draw(1, 5).transforms, draw(1, 5).transforms)
    assert not np.array_equal(draw(1, 5).transforms, draw(1, 6).transforms)
    assert not np.array_equal(draw(1, 5).light, draw(2, 5).light)
    assert draw_moves(8, 64, 0.0, False, False, 1, 5) is None


@pytest.mark.parametrize(("x", "y"), [(True, False), (False, True), (True, True)])
def test_mirroring_alone_gives_the_image_or_its_mirror_image(x: bool, y: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3)).astype(np.float32)
    moves = draw_moves(24, 16, 0.0, x, y, seed=0, step=0)
    assert moves is not None
    moved = apply_moves(images, moves.transforms, moves.light).numpy()
    allowed = [images] + [images[:, :, ::-1]] * x + [images[:, ::-1]] * y + [images[:, ::-1, ::-1]] * (x and y)
    which = [next(i for i, a in enumerate(allowed) if np.allclose(m, a[n], atol=1e-3)) for n, m in enumerate(moved)]
    assert set(which) == set(range(len(allowed)))


def test_moves_keep_to_their_bounds() -> None:
    size = 64
    moves = draw_moves(500, size, 1.0, False, False, seed=0, step=0)
    assert moves is not None
    a, b, right, d, e, down, *_ = moves.transforms.T
    middle = (size - 1) / 2
    np.testing.assert_array_less(np.abs(a * middle + b * middle + right - middle), 0.08 * size + 1e-3)
    np.testing.assert_array_less(np.abs(d * middle + e * middle + down - middle), 0.08 * size + 1e-3)
    np.testing.assert_array_less(np.abs(np.degrees(np.arctan2(d, a))), 10 + 1e-3)
    flat = np.full((500, 8, 8, 3), 100, np.float32)
    light = apply_moves(flat, moves.transforms, moves.light).numpy()
    assert 70 < light.min() < 80 < 120 < light.max() < 130


def images_of(is_photograph: np.ndarray, labels: np.ndarray, kinds: np.ndarray | None = None) -> Drawable:
    return Drawable(labels, is_photograph, np.full(len(labels), "") if kinds is None else kinds)


def drawn(images: Drawable, share: float | None, epochs: int = 4, batch: int = 8) -> list[int]:
    """Indices of some epochs of ten steps, one behind the other."""
    return np.concatenate([
        batches(images, epoch=epoch, steps=10, batch=batch, real_share=share, seed=3) for epoch in range(epochs)
    ]).ravel().tolist()  # fmt: skip


@pytest.mark.parametrize("batch", [1, 7, 8])
@pytest.mark.parametrize("share", [0.5, 0.75, 0.9, 1.0])
def test_photographs_never_fall_below_their_share_of_a_labels_draws(share: float, batch: int) -> None:
    labels = np.repeat([0, 1, 2], [40, 14, 769])
    labels[-30:] = 1
    is_photograph = np.arange(len(labels)) < 54  # of label 2 all are made; 14 real ones stand against 30 of label 1
    of_label = {0: [], 1: [], 2: []}
    for index in drawn(images_of(is_photograph, labels), share, batch=batch):
        of_label[labels[index]].append(is_photograph[index])
    counts = [len(draws) for draws in of_label.values()]
    assert max(counts) - min(counts) <= 1, "labels are drawn in turn"
    assert all(of_label[0])
    assert not any(of_label[2])
    shares = np.cumsum(of_label[1]) / np.arange(1, len(of_label[1]) + 1)
    assert (shares >= share - 1e-9).all()
    assert len(of_label[1]) * share <= sum(of_label[1]) < len(of_label[1]) * share + 1


def test_within_a_labels_photographs_and_made_images_all_come_equally_often() -> None:
    labels, is_photograph = np.arange(100) % 2, np.arange(100) < 20
    times = Counter(drawn(images_of(is_photograph, labels), 0.5))  # 320 draws, 80 of each of the four
    assert {times[i] for i in range(20)} == {8}
    assert {times[i] for i in range(20, 100)} == {2}


KINDS = ("crack", "hole", "fray")


def tiles() -> Drawable:
    """25 good photographs, 5 of each of three kinds of defect; 40 cracks and 200 holes were made, not one fray."""
    kinds = np.array([""] * 25 + [kind for kind in KINDS for _ in range(5)] + ["crack"] * 40 + ["hole"] * 200)
    return Drawable((kinds != "").astype(int), np.arange(len(kinds)) < 40, kinds)


@pytest.mark.parametrize("batch", [1, 7, 8])
@pytest.mark.parametrize("share", [0.5, 0.75, 0.9, 1.0])
def test_every_kind_of_defect_keeps_its_share_and_its_turns(share: float, batch: int) -> None:
    images = tiles()
    of_kind = {kind: [] for kind in KINDS}
    for index in drawn(images, share, epochs=6, batch=batch):
        if images.labels[index]:
            of_kind[images.kinds[index]].append(images.is_photograph[index])
    counts = [len(draws) for draws in of_kind.values()]
    assert max(counts) - min(counts) <= 5, "as often as their photographs, in every pass over all fifteen"
    assert all(of_kind["fray"]), "made images of other kinds take no draw from it"
    for draws in of_kind.values():
        assert (np.cumsum(draws) / np.arange(1, len(draws) + 1) >= share - 1e-9).all()
    for kind in ("crack", "hole"):
        assert sum(of_kind[kind]) < len(of_kind[kind]) * share + 1


def test_made_images_of_no_known_kind_are_any_kinds() -> None:
    whole = tiles()
    images = replace(whole, kinds=np.where(whole.is_photograph, whole.kinds, ""))
    draws = [index for index in drawn(images, 0.5, epochs=6) if images.labels[index]]
    made_ones = sum(not images.is_photograph[index] for index in draws)
    assert len(draws) / 2 - len(KINDS) <= made_ones <= len(draws) / 2
    times = Counter(images.kinds[index] for index in draws if images.is_photograph[index])
    assert max(times.values()) - min(times.values()) <= 3, "all kinds give up as many of their draws"


def test_with_photographs_alone_all_kinds_are_drawn_as_without_made_images() -> None:
    images = tiles()
    times = Counter(drawn(images, 1.0, epochs=6))  # 480 draws, 240 of the fifteen photographs of defects
    assert {times[i] for i in range(25, 40)} == {16}
    assert not any(times[i] for i in range(40, 280))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_what_is_drawn_does_not_depend_on_where_an_epoch_begins(share: float) -> None:
    images = tiles()
    whole = batches(images, epoch=0, steps=40, batch=8, real_share=share, seed=3).ravel().tolist()
    assert drawn(images, share, epochs=4, batch=8) == whole, "a cycle that goes on shows the same"


def test_made_images_come_first_and_photographs_afterwards_where_they_are_pretrained_on() -> None:
    images = tiles()
    schedule = Schedule(TrainingSettings(epochs=5, pretraining=0.4, batch=8, steps_per_epoch=10), images=280)
    for epoch in range(5):
        share = schedule.real_share(epoch)
        order = batches(images, epoch=epoch, steps=10, batch=8, real_share=share, seed=3).ravel()
        defects = order[images.labels[order] == 1]
        of_made_kinds = defects[images.kinds[defects] != "fray"]
        assert images.is_photograph[of_made_kinds].all() == (epoch >= 2), epoch
        assert images.is_photograph[of_made_kinds].any() == (epoch >= 2), epoch
        assert images.is_photograph[order[images.labels[order] == 0]].all(), "of good parts none was made"
    for pretraining in (None, 0.4):
        mixed = TrainingSettings(epochs=5, real_share=0.75, pretraining=pretraining)
        assert Schedule(mixed, images=280).real_share(4) == 0.75


def test_arms_of_different_size_take_equally_many_steps() -> None:
    settings = TrainingSettings(steps_per_epoch=7, epochs=3)
    assert Schedule(settings, images=20).steps == Schedule(settings, images=2_000).steps == 7
    photographs = images_of(np.ones(20, bool), np.zeros(20, int))
    real_only = batches(photographs, epoch=0, steps=7, batch=32, real_share=0.5, seed=0)
    assert real_only.shape == (7, 32)


def test_a_cap_bounds_the_synthetic_images_of_each_label_and_only_grows() -> None:
    def line(number: int, label: str, origin: str, split: str = "train") -> ManifestLine:
        return ManifestLine(
            file=PictureFile(uri=f"memory://{number}", sha256=f"{number * 7919 % 100_003:064x}", width=8, height=8),
            label=label,
            split=split,
            origin=Origin(kind=origin),
        )

    lines = [line(i, "ab"[i % 2], "synthetic") for i in range(100)] + [line(i, "a", "real") for i in range(100, 130)]
    lines += [line(i, "a", "real", "test") for i in range(130, 140)]
    kept = cap_synthetic(lines, 10)
    assert Counter((x.label, x.origin.kind, x.split) for x in kept) == {
        ("a", "synthetic", "train"): 10, ("b", "synthetic", "train"): 10, ("a", "real", "train"): 30,
        ("a", "real", "test"): 10,
    }  # fmt: skip
    assert {x.file.sha256 for x in kept} <= {x.file.sha256 for x in cap_synthetic(lines, 20)}
    assert cap_synthetic(lines, 0) == lines
    assert cap_synthetic(list(reversed(lines)), 10) == [x for x in reversed(lines) if x in kept]


def test_images_of_one_kind_come_as_they_come() -> None:
    for is_photograph, share in ((np.ones(10, bool), 0.5), (np.zeros(10, bool), 1.0), (np.arange(10) < 3, None)):
        labels = np.arange(10) % 3
        order = batches(images_of(is_photograph, labels), epoch=0, steps=2, batch=5, real_share=share, seed=3)
        assert sorted(order.ravel()) == list(range(10))
