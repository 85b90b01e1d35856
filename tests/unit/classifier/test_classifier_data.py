"""What is wrong with an image leaves it out; what is wrong with the store stops the work."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import structlog

from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine, MaskFile
from defectory.errors import DefectoryError, Exhausted, Refused, Unavailable
from defectory.imaging import encode_png
from defectory.job_settings.filtering import Filtering
from defectory.storage import ObjectStore, open_store
from services.classifier.card import Preprocessing
from services.classifier.data import load_images
from services.explainer.picture import Picture, read_picture
from services.explainer.reading import readable, readable_with_masks
from services.filter.judging import judge_manifest
from services.filter.policies import Policy
from services.filter.scores import Scores
from services.filter.verdicts import Score
from tests.contract.datasets import make_dataset, with_bad_files


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory://")


def read_by_the_classifier(store: ObjectStore, lines: list[ManifestLine]) -> None:
    load_images(store, lines, 32, Preprocessing())


def read_by_the_filter(store: ObjectStore, lines: list[ManifestLine]) -> None:
    half = {"defect": 0.5, "good": 0.5}
    scores = Scores({x.file.sha256: Score(half, half) for x in lines}, {x.file.sha256: [1.0, 0.0] for x in lines})
    manifest = store.uri("datasets/parts/manifest.jsonl")
    judge_manifest(
        store,
        manifest,
        manifest,
        [],
        Policy(Filtering(policy="none")),
        False,
        "judged",
        lambda _: scores,
        lambda _: [],
        lambda *_: None,
    )


def read(data: bytes) -> Picture:
    return read_picture(data, Preprocessing(), 32)


def read_by_the_explainer(store: ObjectStore, lines: list[ManifestLine]) -> None:
    list(readable(store, lines, read))


def read_with_masks(store: ObjectStore, lines: list[ManifestLine]) -> None:
    list(readable_with_masks(store, [replace(line, mask=MaskFile(uri=line.file.uri)) for line in lines], read))


READERS = [read_by_the_classifier, read_by_the_filter, read_by_the_explainer, read_with_masks]


@pytest.mark.parametrize("error", [Unavailable("away"), Exhausted("slow down"), Refused("closed")])
@pytest.mark.parametrize("read", READERS)
def test_a_store_that_hiccups_leaves_no_image_out(
    store: ObjectStore, read: Callable[..., None], error: DefectoryError, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = read_manifest(store, make_dataset(store))
    get, failing = store.get, next(store.key(line.file.uri) for line in lines if line.split == "test")

    def hiccup(key: str) -> bytes:
        if key == failing:
            raise error
        return get(key)

    monkeypatch.setattr(store, "get", hiccup)
    with pytest.raises(type(error)):
        read(store, lines)


def test_too_little_memory_for_an_image_leaves_out_none(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    lines = read_manifest(store, make_dataset(store))
    monkeypatch.setattr(Preprocessing, "input_of", full)
    with pytest.raises(Exhausted, match="32x32 pixels"):
        load_images(store, lines, 32, Preprocessing())


def test_what_is_wrong_with_an_image_leaves_out_this_one(store: ObjectStore) -> None:
    lines = read_manifest(store, make_dataset(store))
    bad = read_manifest(store, with_bad_files(store, store.uri("datasets/parts/manifest.jsonl")))
    images = load_images(store, bad, 32, Preprocessing())
    assert [x.file.sha256 for x in images.lines] == [x.file.sha256 for x in lines]
    assert len(images.skipped) == len(bad) - len(lines) > 0
    with structlog.testing.capture_logs() as said:
        assert [line for line, _ in readable(store, bad, read)] == lines
    assert [entry["uri"] for entry in said] == [line.file.uri for line in bad[len(lines) :]]
    assert all(entry["reason"] for entry in said)


@pytest.mark.parametrize("ending", [b"", b"cut"])
def test_the_explainer_decodes_each_picture_once_and_leaves_out_a_broken_one_or_one_with_a_broken_mask(
    store: ObjectStore, ending: bytes
) -> None:
    lines = read_manifest(store, make_dataset(store))
    good, broken, unmasked = lines[:3]
    store.put("masks/white.png", encode_png(np.full((32, 32), 255, np.uint8)))
    store.put("masks/broken.png", store.get("masks/white.png")[:-20] + ending)
    store.put(store.key(broken.file.uri), b"broken")
    broken = replace(broken, file=replace(broken.file, sha256=hashlib.sha256(b"broken").hexdigest()))
    masked = [replace(line, mask=MaskFile(uri=store.uri("masks/white.png"))) for line in (good, broken)]
    masked.append(replace(unmasked, mask=MaskFile(uri=store.uri("masks/broken.png"))))
    decoded: list[bytes] = []

    def counting(data: bytes) -> Picture:
        decoded.append(data)
        return read(data)

    ((line, picture, mask),) = readable_with_masks(store, masked, counting)
    assert (line.file.uri, picture.shown.shape, mask.shape, bool(mask.all())) == (
        good.file.uri,
        (32, 32, 3),
        (32, 32),
        True,
    )
    assert decoded == [store.get(store.key(good.file.uri)), b"broken"]
