"""A dataset that version 0.1.0 ingested, with squares of 32 px in place of pictures, is read as it was written.

Its store lay at file:///srv/store, and was moved: its lines name their places by whole URIs.
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from defectory.datasets.exporting import export
from defectory.datasets.listing import compare
from defectory.datasets.manifest import content_hash, read_card, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import picture_of
from defectory.datasets.prepared import squares
from defectory.imaging import decode
from defectory.storage import ObjectStore, open_store
from services.classifier.card import Preprocessing
from services.classifier.data import load_images
from services.generator.training import data

FILES = Path(__file__).parents[2] / "files/dataset_of_0_1_0.tar.xz"  # `defectory ingest cables --size 32 --fit crop`
SIDE = 32


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/store")
    with tarfile.open(FILES) as archive:
        for member in archive:
            if member.isfile():
                file = archive.extractfile(member)
                assert file is not None
                store.put(member.name, file.read())
    return store


@pytest.fixture
def lines(store: ObjectStore) -> list[ManifestLine]:
    return read_manifest(store, store.uri("datasets/cables/manifest.jsonl"))


def test_lines_and_card_say_what_they_said(store: ObjectStore, lines: list[ManifestLine]) -> None:
    card = read_card(store, "cables")
    assert (len(lines), card["size_px"]) == (18, SIDE)
    assert content_hash(lines) == card["content_hash"]
    assert {(line.file.width, line.file.height, line.file.fit, line.network_px) for line in lines} == {
        (SIDE, SIDE, "crop", SIDE)
    }
    assert not compare(lines, lines).changed


def test_its_images_are_what_networks_saw_of_them(store: ObjectStore, lines: list[ManifestLine]) -> None:
    stored = [np.asarray(decode(picture_of(store, line)).convert("RGB")) for line in lines]
    np.testing.assert_array_equal(np.stack(stored), np.stack([x for x in squares(store, lines, SIDE)]))  # noqa: C416
    preprocessing = Preprocessing.of(lines, 96)
    assert preprocessing == Preprocessing(square_px=SIDE, fit="crop")
    seen = load_images(store, lines, SIDE, preprocessing)
    np.testing.assert_array_equal(seen.pixels, np.stack(stored))


def test_a_generator_learns_from_it(store: ObjectStore, lines: list[ManifestLine]) -> None:
    good = data.select(lines, "good")
    assert data.default_resolution(good) == SIDE
    assert data.load(store, good, SIDE).pixels.shape == (len(good), 3, SIDE, SIDE)
    assert data.original_size(good) is None  # a crop cannot be undone


def test_it_is_exported(store: ObjectStore, lines: list[ManifestLine], tmp_path: Path) -> None:
    masked = sum(line.mask is not None for line in lines)
    done = export(store, lines, "folders", tmp_path / "out")
    assert (done.images, done.masks) == (len(lines), masked)
    assert masked == 9
