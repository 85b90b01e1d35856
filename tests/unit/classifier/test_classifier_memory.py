"""A memory of good parts: patches against Keras' own layers, the bank against what it is to keep, scores as a whole."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from defectory.datasets.manifest import read_manifest, write_dataset
from defectory.errors import InvalidInput
from defectory.job_settings.memory import Memories
from defectory.storage import ObjectStore, open_store
from services.classifier.architecture import Architecture
from services.classifier.memory import anomalies
from services.classifier.memory.bank import chosen, distances, probabilities
from services.classifier.memory.patches import patches_of
from services.classifier.model import weights_of
from tests.contract.datasets import make_dataset, with_bad_files
from tests.unit.classifier.classifier_samples import lively

SETTINGS = {"recipe": "paper", "initial_weights": "random", "width_multiplier": 0.35, "input_px": 64}
SIDE = 4  # patches along each side of 64 px


def score(store: ObjectStore, uri: str, *splits: str, **changed: object) -> dict[str, dict]:
    uris = anomalies.score(
        store, uri, splits, {**SETTINGS, **changed}, Memories(patches=50, cycles=2), output_prefix="anomalies/x",
        seed=3, sources={}, report=lambda *_: None,
    )  # fmt: skip
    return {split: json.loads(store.get(store.key(at))) for split, at in uris.items()}


def test_patches_are_what_the_base_gives_after_its_twelfth_block_averaged_over_neighbours() -> None:
    network = lively(Architecture(labels=("a", "b"), input_px=64, width_multiplier=0.35))
    images = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3)).astype(np.uint8)
    patches = patches_of(0.35, 64, weights_of(network))(images)
    inner = keras.Model(network.base.input, network.base.get_layer("block_12_add").output)
    of_keras = keras.layers.AveragePooling2D(3, 1, "same")(inner(images / np.float32(127.5) - 1)).numpy()
    assert patches.shape == (20, SIDE * SIDE, of_keras.shape[-1])
    np.testing.assert_allclose(patches, of_keras.reshape(patches.shape), atol=1e-3 * np.abs(of_keras).max())


def test_the_bank_keeps_one_of_every_cluster_however_rare() -> None:
    random = np.random.default_rng(1)
    middles = 100 * np.eye(5, 96)
    counts = [1000, 500, 100, 10, 1]
    patches = np.concatenate([middle + random.normal(size=(n, 96)) for middle, n in zip(middles, counts, strict=True)])
    for seed in range(5):
        bank = chosen(patches.astype(np.float32), 5, seed)
        assert sorted(cdist(bank, middles).argmin(axis=1)) == [0, 1, 2, 3, 4]


def test_few_patches_are_all_kept_and_the_same_seed_keeps_the_same() -> None:
    patches = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    np.testing.assert_array_equal(chosen(patches, 60, 0), patches)
    np.testing.assert_array_equal(chosen(patches, 20, 4), chosen(patches, 20, 4))
    assert len(np.unique(chosen(patches, 20, 4), axis=0)) == 20


def test_an_image_is_as_far_as_its_strangest_patch() -> None:
    random = np.random.default_rng(0)
    patches, bank = random.normal(size=(7, 9, 5)).astype(np.float32), random.normal(size=(30, 5)).astype(np.float32)
    wanted = [cdist(of_image, bank).min(axis=1).max() for of_image in patches]
    np.testing.assert_allclose(distances(patches, bank), wanted, rtol=1e-4)
    remembered = distances(bank[None], bank)
    assert remembered[0] < 1e-2, "what is remembered is no anomaly"


def test_a_half_is_what_few_good_images_exceed() -> None:
    good = np.arange(1.0, 102.0)
    assert probabilities(np.array([0.0, 99.0, 1e9]), good).round(6).tolist() == [0, 0.5, 1]
    assert (probabilities(good, good) > 0.5).sum() == 2
    assert np.isfinite(probabilities(np.zeros(3), np.zeros(3))).all()


def test_defects_are_told_by_a_memory_that_has_seen_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomalies, "BLOCK", 7)
    store = open_store("memory://")
    uri = make_dataset(store, size_px=64, each=60)
    only_good = [x for x in read_manifest(store, uri) if x.split != "train" or x.label == "good"]
    document = score(store, write_dataset(store, "good-only", only_good, {}), "validation", "test")["test"]
    assert document["labels"] == ["defect", "good"]
    assert len(document["cycles"]) == 2
    p = np.array([image["probabilities"] for image in document["images"]])  # (N, 2, 2)
    np.testing.assert_allclose(p.sum(axis=2), 1, atol=1e-5)
    is_defect = np.array([image["label"] == "defect" for image in document["images"]])
    assert is_defect.sum() == 15
    for bank in (0, 1):
        above = p[is_defect, bank, 0][:, None] > p[~is_defect, bank, 0][None]
        assert above.mean() > 0.95
    assert (p[~is_defect, :, 0] > 0.5).mean() < 0.5 < (p[is_defect, :, 0] > 0.5).mean()


def test_over_several_labels_of_defects_it_is_spread_as_training_has_them() -> None:
    store = open_store("memory://")
    lines = read_manifest(store, make_dataset(store, size_px=64, each=24, labels=("good", "defect", "stripe")))
    fewer = [x for i, x in enumerate(lines) if x.label != "stripe" or x.split != "train" or i % 2]
    document = score(store, write_dataset(store, "fewer", fewer, {}), "validation")["validation"]
    of_defects = np.array([image["probabilities"][0] for image in document["images"]])[:, [0, 2]]
    assert document["labels"] == ["defect", "good", "stripe"]
    np.testing.assert_allclose(of_defects[:, 1] / of_defects[:, 0], 6 / 12, rtol=1e-3)


def test_what_cannot_be_read_is_left_out_and_what_was_made_is_not_remembered() -> None:
    store = open_store("memory://")
    uri = make_dataset(store, size_px=64)
    plain = score(store, uri, "test")["test"]
    with_bad = score(store, with_bad_files(store, uri), "test")["test"]
    assert [x["sha256"] for x in plain["images"]] == [x["sha256"] for x in with_bad["images"]]
    lines = read_manifest(store, uri)
    (defect, *_) = (x for x in lines if x.label == "defect" and x.split == "train")
    drawn = replace(defect, label="good", origin=replace(defect.origin, kind="synthetic"))
    as_good = [drawn if x is defect else x for x in lines]
    assert score(store, write_dataset(store, "made", as_good, {}), "test")["test"]["images"] == plain["images"]


@pytest.mark.parametrize(
    ("gone", "splits", "says"),
    [
        (("train", "good"), ("test",), "no images of train"),
        (("validation", "good"), ("test",), "no images of validation"),
        (("test", ""), ("test",), "no images of test"),
        (("", ""), ("all",), "splits"),
        (("", ""), (), "splits"),
    ],
)
def test_what_is_not_there_is_said(gone: tuple[str, str], splits: tuple[str, ...], says: str) -> None:
    store = open_store("memory://")
    lines = read_manifest(store, make_dataset(store, size_px=64))
    left = [x for x in lines if x.split != gone[0] or (gone[1] and x.label != gone[1])]
    with pytest.raises(InvalidInput, match=says):
        score(store, write_dataset(store, "less", left, {}), *splits)
