"""Synthetic defects set into good parts: what the photograph is elsewhere, what its line says, and what is left out."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from defectory.datasets.exporting import export
from defectory.datasets.manifest import card_key, manifest_key, read_card, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin, Synthesis
from defectory.errors import AlreadyExists, Corrupted, FailedPrecondition
from defectory.storage import ObjectStore, open_store
from orchestrator.defects.setting import EMPTY, NO_PLACE, SetDefects, defect_patch, set_again, set_defects
from orchestrator.edits.catalogue import catalogue_of
from orchestrator.edits.operations import Picture
from orchestrator.edits.pictures import read_line_mask, read_picture
from orchestrator.edits.recipe import EditRecipe
from tests.patience import PATIENT_S
from tests.unit.edits.tiles import make_tiles, stored

SIDE = 48


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory://setting")


def crop(
    store: ObjectStore, seed: int, radius: int = 5, channels: int = 1, at: tuple[int, int] = (24, 24)
) -> ManifestLine:
    """A square as a generator makes it: a surface like that of the tiles, a dark spot, and the spot's mask."""
    random = np.random.default_rng([7, seed])
    pixels = np.clip(125 + random.normal(0, 4, (SIDE, SIDE, channels)), 0, 255).astype(np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mask = (rows - at[1]) ** 2 + (columns - at[0]) ** 2 <= radius**2
    pixels[mask] = 20
    line = stored(store, pixels, mask if radius else None, "hole", "none", "")
    synthesis = Synthesis(generator="holes/1", seed=seed, truncation_psi=1.0, noise_mode="random")
    return replace(line, origin=Origin(kind="synthetic"), synthesis=synthesis, kind="")


def setting(
    store: ObjectStore, lines: Sequence[ManifestLine], crops: Sequence[ManifestLine], name: str = "set", **given: object
) -> SetDefects:
    recipe = EditRecipe()
    chosen = {"label": "defect", "size": 1.0, "seed": 3, **given}
    return set_defects(store, crops, catalogue_of(store, lines, recipe), recipe, name, **chosen)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_photograph_is_the_good_parts_own_beside_the_defect_and_its_line_says_all(
    store: ObjectStore, channels: int
) -> None:
    lines = make_tiles(store, channels=channels)
    parents = {line.file.sha256: line for line in lines}
    crops = [crop(store, seed, channels=channels) for seed in range(6)]
    done = setting(store, lines, crops)
    written = read_manifest(store, done.manifest_uri)
    assert done.images == len(written) == 6
    for line, from_ in zip(written, crops, strict=True):
        parent = parents[line.origin.parents[0]]
        assert (parent.label, parent.split) == ("good", "train")
        assert (line.label, line.kind, line.split, line.group) == ("defect", "hole", "train", parent.group)
        assert (line.origin.kind, line.is_real, line.network_px) == ("synthetic", False, None)
        assert line.synthesis == from_.synthesis
        recipe = line.origin.edit.recipe
        assert recipe["crop"] == from_.file.sha256
        before, after = read_picture(store, parent), read_picture(store, line)
        mask = read_line_mask(store, line)
        assert before.shape == after.shape
        rows, columns = np.nonzero(mask)
        x, y = recipe["place"]
        assert abs(columns.mean() - x) < 2 and abs(rows.mean() - y) < 2  # noqa: PT018 - one place
        assert 60 < mask.sum() < 100  # a disc of radius 5
        assert after[mask].mean() < before[mask].mean() - 50
        far = np.ones(mask.shape, bool)
        far[max(0, y - 20) : y + 20, max(0, x - 20) : x + 20] = False
        np.testing.assert_array_equal(after[far], before[far])


def test_places_are_those_of_real_masks(store: ObjectStore) -> None:
    lines = make_tiles(store)  # whose spots lie at 40 to 80 of 120, 36 to 60 of 96 px
    done = setting(store, lines, [crop(store, seed) for seed in range(30)])
    places = np.array([line.origin.edit.recipe["place"] for line in read_manifest(store, done.manifest_uri)])
    assert 36 < places[:, 0].mean() < 84
    assert (places >= (40 - 24, 36 - 20)).all()
    assert (places <= (80 + 24, 60 + 20)).all()
    assert places.std(axis=0).min() > 4


def test_a_crop_without_a_defect_and_one_that_fits_nowhere_are_left_out_and_counted(store: ObjectStore) -> None:
    lines = make_tiles(store)
    at_border = crop(store, 1, radius=6, at=(0, 24))
    bright = crop(store, 2)
    glaring = np.full((SIDE, SIDE, 1), 255, np.uint8)
    glaring[20:28, 20:28] = 0
    mask = glaring[..., 0] == 0
    unlike = replace(stored(store, glaring, mask, "hole", "none", ""), synthesis=bright.synthesis)
    done = setting(store, lines, [crop(store, 0, radius=0), at_border, unlike, bright])
    assert done.images == 1
    assert done.left_out == {EMPTY: 2, NO_PLACE: 1}
    assert read_card(store, "set")["left_out"] == {EMPTY: 2, NO_PLACE: 1}


def test_a_defect_ends_within_its_crop_where_it_reaches_the_border() -> None:
    pixels = np.full((SIDE, SIDE, 1), 120, np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, 22:26] = True
    patch = defect_patch(Picture(pixels, mask))
    assert patch is not None
    assert patch.mask.sum() == 4 * (SIDE - 20)
    assert patch.ground.sum() < (SIDE - 4) * SIDE + 1  # what goes on of it is no ground


def test_larger_crops_are_enlarged(store: ObjectStore) -> None:
    lines = make_tiles(store)
    (line,) = read_manifest(store, setting(store, lines, [crop(store, 1, radius=4)], size=2.0).manifest_uri)
    assert 3.4 * 49 < read_line_mask(store, line).sum() < 4.6 * 49
    assert line.origin.edit.recipe["size"] == 2.0


def test_a_line_gives_its_photograph_again_and_the_same_call_the_same_bytes(store: ObjectStore) -> None:
    lines = make_tiles(store)
    parents = {line.file.sha256: line for line in lines}
    crops = [crop(store, seed) for seed in range(4)]
    first, second = setting(store, lines, crops), setting(store, lines, crops, "again")
    assert first.content_hash == second.content_hash
    for line in read_manifest(store, first.manifest_uri):
        files = set_again(store, line, parents[line.origin.parents[0]])
        assert hashlib.sha256(files.picture).hexdigest() == line.file.sha256
        assert files.mask is not None
        assert hashlib.sha256(files.mask).hexdigest() == line.mask.sha256
    store.put(store.key(crops[0].file.uri), store.get(store.key(crops[1].file.uri)))
    with pytest.raises(Corrupted):
        set_again(store, read_manifest(store, first.manifest_uri)[0], lines[0])
    with pytest.raises(FailedPrecondition, match="no synthetic defect"):
        set_again(store, lines[0], lines[0])


KILLED = """
import sys
from defectory.datasets.manifest import manifest_key, read_manifest
from defectory.storage import open_store
from tests.unit.defects.test_setting import setting
store = open_store(sys.argv[1])
lines, crops = (read_manifest(store, store.uri(manifest_key(name))) for name in ("tiles", "crops"))
setting(store, lines, crops * 60)
"""


def test_what_was_killed_is_made_to_the_same_bytes(tmp_path: Path) -> None:
    whole, killed = (open_store(f"file://{tmp_path}/{name}") for name in ("whole", "killed"))
    for each in (whole, killed):
        make_tiles(each)
        write_dataset(each, "crops", [crop(each, seed) for seed in range(4)], {})
    child = subprocess.Popen([sys.executable, "-c", KILLED, killed.url], cwd=Path(__file__).parents[3])
    deadline = time.monotonic() + PATIENT_S
    while len(list(killed.list("datasets/set/originals/"))) < 5:
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not killed.exists(card_key("set")), "it ended before it could be killed"
    for each in (whole, killed):
        tiles, crops = (read_manifest(each, each.uri(manifest_key(name))) for name in ("tiles", "crops"))
        setting(each, tiles, crops * 60)
    for name in ("originals/", "masks/"):
        objects = [{x.key: each.get(x.key) for x in each.list(f"datasets/set/{name}")} for each in (whole, killed)]
        assert objects[0] == objects[1]
    assert read_card(whole, "set")["content_hash"] == read_card(killed, "set")["content_hash"]


def test_exports_have_the_masks(store: ObjectStore, tmp_path: Path) -> None:
    lines = make_tiles(store)
    written = read_manifest(store, setting(store, lines, [crop(store, 1), crop(store, 2)]).manifest_uri)
    export(store, [*lines, *written], "coco", tmp_path / "coco", origins="synthetic")
    (document,) = (tmp_path / "coco/annotations").glob("instances_train.json")
    annotations = json.loads(document.read_text())["annotations"]
    assert len(annotations) == 2
    for annotation, line in zip(annotations, written, strict=True):
        rows, columns = np.nonzero(read_line_mask(store, line))
        left, top, width, height = annotation["bbox"]
        assert (left, top) == (columns.min(), rows.min())
        assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)


def test_no_dataset_of_another_make_is_replaced_and_good_parts_are_needed(store: ObjectStore) -> None:
    lines = make_tiles(store)
    with pytest.raises(AlreadyExists):
        setting(store, lines, [crop(store, 1)], "tiles")
    bad = [line for line in lines if line.label != "good"]
    write_dataset(store, "bad", bad, {})
    with pytest.raises(FailedPrecondition, match="has none"):
        setting(store, bad, [crop(store, 1)], "nothing")
