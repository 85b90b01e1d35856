"""Crops that a generator of defects learns: squares of the photographs' own pixels, and what their lines say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from defectory.datasets.manifest import content_hash, read_card, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import AlreadyExists, FailedPrecondition
from defectory.storage import ObjectStore, open_store
from orchestrator.defects import windows
from orchestrator.defects.crops import GOOD, Crops, crop_defects
from orchestrator.edits.pictures import read_line_mask, read_picture
from orchestrator.edits.recipe import EditRecipe
from orchestrator.edits.regions import regions_of
from tests.unit.edits.tiles import make_tiles, spot, stored, tile

SIDE = 48


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory://defects")


def cropped(store: ObjectStore, lines: list[ManifestLine], name: str = "crops", **given: object) -> Crops:
    return crop_defects(
        store, lines, EditRecipe(), name, source="memory://tiles", **{"resolution_px": SIDE, "seed": 0, **given}
    )


def test_crops_are_squares_of_their_photographs_with_their_masks(store: ObjectStore) -> None:
    lines = make_tiles(store)
    crops = cropped(store, lines)
    parents = {line.file.sha256: line for line in lines}
    written = read_manifest(store, crops.manifest_uri)
    assert content_hash(written) == crops.content_hash
    for line in written:
        parent = parents[line.origin.parents[0]]
        left, top, side = line.origin.tile
        assert (line.file.width, line.file.height, side) == (SIDE, SIDE, SIDE)
        assert (line.split, line.group, line.is_real) == (parent.split, parent.group, True)
        shown = read_picture(store, parent)[top : top + side, left : left + side]
        np.testing.assert_array_equal(read_picture(store, line), shown)
        if line.label == GOOD:
            assert line.mask is None
            assert parent.label == "good"
        else:
            assert line.label == "hole"
            whole = read_line_mask(store, parent)[top : top + side, left : left + side]
            np.testing.assert_array_equal(read_line_mask(store, line), whole)


def test_nothing_that_is_tested_is_cut_up_and_validation_stays_validation(store: ObjectStore) -> None:
    crops = cropped(store, make_tiles(store))
    assert set(crops.counts) == {"train", "validation"}
    groups = {line.group for line in read_manifest(store, crops.manifest_uri)}
    assert not [group for group in groups if "-test-" in group]
    assert crops.counts["train"]["hole"] > 12  # several a region
    assert crops.counts["validation"]["hole"] >= 1


def test_the_whole_defect_is_in_its_crops_each_time_elsewhere(store: ObjectStore) -> None:
    crops = cropped(store, make_tiles(store))
    by_parent: dict[str, set[tuple[int, int, int]]] = {}
    for line in read_manifest(store, crops.manifest_uri):
        if line.label != GOOD:
            by_parent.setdefault(line.origin.parents[0], set()).add(line.origin.tile)
            (region,) = regions_of(read_line_mask(store, line))
            assert (
                min(region.left, region.top, SIDE - region.left - region.width, SIDE - region.top - region.height) > 0
            )
    assert np.mean([len(places) for places in by_parent.values()]) > 2


def test_the_side_is_the_datas_own_but_never_less_than_the_generators(store: ObjectStore) -> None:
    assert windows.side_of([8, 12, 20], 64) == 64
    assert windows.side_of([100, 120, 300], 64) == 140
    lines = make_tiles(store)
    assert cropped(store, lines, resolution_px=16).side_px > 16
    assert cropped(store, lines, "large").side_px == SIDE


def test_a_longer_defect_is_cut_up_along_it() -> None:
    mask = np.zeros((300, 200), bool)
    mask[10:290, 98:102] = True
    (region,) = regions_of(mask)
    places = list(windows.around(mask, region, 64, np.random.default_rng(0)))
    assert len(places) >= 17  # 4 for each 64 px of 280
    assert all(0 <= left <= 136 and 0 <= top <= 236 for left, top in places)
    assert all(mask[top : top + 64, left : left + 64].sum() > 100 for left, top in places)
    seen = np.zeros(300, bool)
    for _, top in places:
        seen[top : top + 64] = True
    assert seen[10:290].mean() > 0.9


def test_squares_of_a_surface_show_nothing_beside_the_part() -> None:
    part = np.zeros((90, 120), bool)
    part[20:80, 30:110] = True
    for left, top in windows.of_surface(part, 48, 50, np.random.default_rng(0)):
        assert part[top : top + 48, left : left + 48].all()
    assert windows.of_surface(part, 64, 5, np.random.default_rng(0)) == []
    assert windows.of_surface(part, 200, 5, np.random.default_rng(0)) == []


def test_the_same_crops_come_again_whatever_else_is_cut_up(store: ObjectStore) -> None:
    lines = make_tiles(store)
    first, second = cropped(store, lines), cropped(store, lines, "again")
    assert first.content_hash == second.content_hash
    fewer = read_manifest(
        store, cropped(store, [x for x in lines if x.group != "defect-train-0"], "fewer").manifest_uri
    )
    all_ = {line.file.sha256 for line in read_manifest(store, first.manifest_uri)}
    assert {line.file.sha256 for line in fewer} < all_


def test_kinds_and_how_large_are_the_recipes(store: ObjectStore) -> None:
    lines = make_tiles(store)
    pixels = tile(np.random.default_rng(9))
    mask = spot(pixels, 60, 48, 12)  # 0.04 of the picture
    lines.append(stored(store, pixels, mask, "defect", "train", "large", "crater"))
    for number, (recipe, kinds) in enumerate(
        [({}, ["crater", "hole"]), ({"largest": 0.03}, ["hole"]), ({"kinds": ["crater"]}, ["crater"])]
    ):
        chosen = EditRecipe.model_validate(recipe)
        given = {"source": "memory://tiles", "resolution_px": SIDE, "seed": 0}
        crops = crop_defects(store, lines, chosen, f"crops-{number}", **given)
        assert crops.kinds == kinds
        assert any("crater" in note for note in crops.notes) == (number == 1)


def test_without_masks_or_in_photographs_that_are_too_small_there_is_nothing_to_crop(store: ObjectStore) -> None:
    lines = make_tiles(store)
    with pytest.raises(FailedPrecondition, match="no training picture has a mask"):
        cropped(store, [replace(line, mask=None) for line in lines])
    with pytest.raises(FailedPrecondition, match="no crop of 256 px"):
        cropped(store, lines, resolution_px=256)


def test_no_dataset_of_another_make_is_replaced(store: ObjectStore) -> None:
    lines = make_tiles(store)
    with pytest.raises(AlreadyExists):
        cropped(store, lines, "tiles")
    crops = cropped(store, lines)
    card = read_card(store, "crops")
    assert (card["cropped_from"], card["side_px"]) == ("memory://tiles", crops.side_px)
    assert json.dumps(card)
