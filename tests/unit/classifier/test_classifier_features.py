"""Features are computed once a picture, base and view; training and answers are those that the pixels give."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from structlog.testing import capture_logs

from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import Unavailable
from defectory.storage import ObjectStore, open_store
from services.classifier import features
from services.classifier.card import Preprocessing
from services.classifier.data import load_images, split_parts
from services.classifier.features import AS_IT_IS, Base, features_of
from services.classifier.settings import training_settings
from services.classifier.training.augment import apply_moves
from services.classifier.training.cycles import CycleResult, run_cycle
from services.classifier.training.moves import View
from services.classifier.training.preparation import prepare
from tests.contract.datasets import make_dataset, with_bad_files

LABELS = ("defect", "good")
FROZEN = {
    "recipe": "best", "initial_weights": "starter", "input_px": 32, "head_units": 8, "batch": 8, "epochs": 3,
}  # fmt: skip
AS_THEY_ARE = Preprocessing()


class Counting:
    """A base whose features are an image's mean colours, and that counts what it is shown."""

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        self.seen += len(pixels)
        return pixels.mean(axis=(1, 2)).astype(np.float32)

    @property
    def base(self) -> Base:
        return Base("ab" * 32, 32, 3, self.embed)


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory://")


@pytest.fixture
def lines(store: ObjectStore) -> list[ManifestLine]:
    return read_manifest(store, make_dataset(store))


def means(store: ObjectStore, lines: Sequence[ManifestLine]) -> np.ndarray:
    return load_images(store, lines, 32, AS_THEY_ARE).pixels.mean(axis=(1, 2)).astype(np.float32)


def test_a_picture_is_looked_at_once_whoever_asks(store: ObjectStore, lines: list[ManifestLine]) -> None:
    counting = Counting()
    few = features_of(store, [*lines[:10], *lines[:3]], counting.base, AS_THEY_ARE)
    assert counting.seen == 10  # the repeated ones once
    np.testing.assert_array_equal(few.values[:, 0], means(store, [*lines[:10], *lines[:3]]))
    for line in lines[:10]:
        store.delete(store.key(line.file.uri))  # nobody reads them again
    kept = features_of(store, lines[::-1], counting.base, AS_THEY_ARE)
    assert counting.seen == len(lines)
    assert kept.lines == lines[::-1]
    np.testing.assert_array_equal(kept.values[-10:][::-1], few.values[:10])


def test_how_many_pictures_have_features_is_told_batch_by_batch_those_kept_before_with_them(
    store: ObjectStore, lines: list[ManifestLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "BATCH", 4)
    said: list[int] = []
    features_of(store, lines[:10], Counting().base, AS_THEY_ARE, report=lambda done, total: said.append(done))
    assert said == [0, 0, 4, 8, 10]
    said.clear()
    features_of(store, lines[:15], Counting().base, AS_THEY_ARE, report=lambda done, total: said.append(done))
    assert said == [10, 10, 14, 15], "ten were there already"
    said.clear()
    twice = (AS_IT_IS, View(1, 0.25, mirror_x=True))
    features_of(store, lines[15:23], Counting().base, AS_THEY_ARE, twice, lambda done, total: said.append(done))
    assert said == [0, 0, 2, 4, 6, 8]


def test_another_base_or_input_shares_nothing(store: ObjectStore, lines: list[ManifestLine]) -> None:
    counting = Counting()
    features_of(store, lines, counting.base, AS_THEY_ARE)
    features_of(store, lines, dataclasses.replace(counting.base, sha256="cd" * 32), AS_THEY_ARE)
    features_of(store, lines, counting.base, Preprocessing(square_px=16))
    assert counting.seen == 3 * len(lines)


def test_pictures_that_cannot_be_read_are_left_out_with_their_reasons(store: ObjectStore) -> None:
    lines = read_manifest(store, with_bad_files(store, make_dataset(store)))
    read, kept = load_images(store, lines, 32, AS_THEY_ARE), features_of(store, lines, Counting().base, AS_THEY_ARE)
    assert kept.lines == read.lines
    assert len(kept.values) == len(read.lines) < len(lines)
    assert kept.skipped == read.skipped


def test_what_a_killed_call_had_kept_is_not_computed_again(
    store: ObjectStore, lines: list[ManifestLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "BLOCK_BYTES", 5 * 3 * 32**2)
    counting, put = Counting(), store.put

    def dying(key: str, data: bytes, **options: bool) -> object:
        if counting.seen > 10 and key.endswith(".json"):  # of the third block the features are there, its list is not
            raise Unavailable("killed")
        return put(key, data, **options)

    monkeypatch.setattr(store, "put", dying)
    with pytest.raises(Unavailable):
        features_of(store, lines, counting.base, AS_THEY_ARE)
    monkeypatch.setattr(store, "put", put)
    counting.seen = 0
    kept = features_of(store, lines, counting.base, AS_THEY_ARE)
    assert counting.seen == len(lines) - 10
    np.testing.assert_array_equal(kept.values[:, 0], means(store, lines))


@pytest.mark.parametrize("ending", [".npy", ".json"])
@pytest.mark.parametrize("broken", [b"", b"{}", None])
def test_what_is_broken_is_computed_again_with_a_warning(
    store: ObjectStore, lines: list[ManifestLine], ending: str, broken: bytes | None
) -> None:
    features_of(store, lines, Counting().base, AS_THEY_ARE)
    key = next(info.key for info in store.list("features/") if info.key.endswith(ending))
    content = store.get(key)
    other = b"6" if content[-9:-8] == b"5" else b"5"  # in the last number, or the last hash
    store.put(key, content[:-9] + other + content[-8:] if broken is None else broken)
    counting = Counting()
    with capture_logs() as logs:
        kept = features_of(store, lines, counting.base, AS_THEY_ARE)
    assert counting.seen == len(lines)
    assert [entry["log_level"] for entry in logs] == ["warning"]
    np.testing.assert_array_equal(kept.values[:, 0], means(store, lines))
    features_of(store, lines, counting.base, AS_THEY_ARE)
    assert counting.seen == len(lines)  # the broken shard is gone, the new one is whole


def test_a_view_is_the_same_whoever_asks_for_it_beside_what(store: ObjectStore, lines: list[ManifestLine]) -> None:
    counting = Counting()
    views = [View(number, 0.5, mirror_x=True) for number in (1, 2)]
    kept = features_of(store, lines, counting.base, AS_THEY_ARE, (AS_IT_IS, *views))
    assert kept.values.shape == (len(lines), 3, 3)
    again = features_of(store, lines[5:6], counting.base, AS_THEY_ARE, views[1:])
    assert counting.seen == 3 * len(lines)
    np.testing.assert_array_equal(again.values[0, 0], kept.values[5, 2])
    moves = views[1].moves([lines[5].file.sha256], 32)
    moved = apply_moves(
        load_images(store, lines[5:6], 32, AS_THEY_ARE).pixels.astype(np.float32), moves.transforms, moves.light
    )
    np.testing.assert_allclose(again.values[0, 0], moved.numpy().mean(axis=(0, 1, 2)), rtol=1e-5)
    assert len({tuple(row) for row in kept.values[5]}) == 3  # they differ
    weaker = features_of(store, lines[5:6], counting.base, AS_THEY_ARE, [View(2, 0.25, mirror_x=True)])
    assert not np.array_equal(weaker.values[0, 0], again.values[0, 0])


def trained(store: ObjectStore, lines: list[ManifestLine], values: dict, *, by_pixels: bool = False) -> CycleResult:
    settings = training_settings(values, 32)
    prepared = prepare(store, lines, LABELS, settings, {})
    parts = prepared.parts
    if by_pixels:
        images = load_images(store, lines, 32, prepared.preprocessing)
        parts = split_parts(images.lines, {"pixels": images.pixels}, LABELS)
    return run_cycle(open_store("memory://"), "m/", prepared.trainer, parts, settings, 0, 5, lambda *_: None)


def test_a_training_on_kept_features_ends_in_the_weights_of_one_on_pixels(
    store: ObjectStore, lines: list[ManifestLine]
) -> None:
    by_pixels = trained(store, lines, FROZEN, by_pixels=True)
    assert trained(store, lines, FROZEN) == by_pixels  # with the hash of its weights
    for line in lines:
        store.delete(store.key(line.file.uri))
    assert trained(store, lines, FROZEN) == by_pixels


def test_augmented_trainings_draw_among_the_views(store: ObjectStore, lines: list[ManifestLine]) -> None:
    plain, augmented = trained(store, lines, FROZEN), trained(store, lines, {**FROZEN, "augment": 0.5})
    assert trained(store, lines, {**FROZEN, "augment": 0.5}) == augmented
    assert augmented.card.weights != plain.card.weights
    assert trained(store, lines, {**FROZEN, "augment": 0.5, "views": 3}).card.weights != augmented.card.weights
    settings = training_settings({**FROZEN, "augment": 0.5, "views": 3}, 32)
    parts = prepare(store, lines, LABELS, settings, {}).parts
    assert parts["train"].inputs["views"].shape == (12, 3, 1280)
    assert parts["train"].inputs.keys() == {"pooled", "views"}
