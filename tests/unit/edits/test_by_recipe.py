"""Edits by recipe: of training pictures alone, on the part, to be seen, with lineage, and made again to the byte."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from defectory.datasets.manifest import manifest_key, read_card, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.masks import read_mask
from defectory.errors import AlreadyExists, FailedPrecondition, InvalidInput
from defectory.imaging import decode
from defectory.storage import ObjectStore
from defectory.storage.memory import MemoryStore
from orchestrator.edits.line import recipe_of
from orchestrator.edits.making import combined, edit_by_recipe, made_again
from orchestrator.edits.recipe import EditRecipe
from tests.unit.edits.tiles import HEIGHT, WIDTH, make_tiles, spot, stored, tile

SOURCE = manifest_key("tiles")


def edited(
    store: ObjectStore,
    lines: list[ManifestLine],
    count: int = 24,
    name: str = "edited",
    seed: int = 0,
    **recipe: object,
) -> list[ManifestLine]:
    dataset = edit_by_recipe(
        store, lines, EditRecipe.model_validate(recipe), name, source=store.uri(SOURCE), count=count, seed=seed
    )
    return read_manifest(store, dataset.manifest_uri)


def pixels_of(store: ObjectStore, line: ManifestLine) -> np.ndarray:
    return np.asarray(decode(store.get(store.key(line.file.uri)))).astype(int)


def mask_of(store: ObjectStore, line: ManifestLine) -> np.ndarray:
    return np.asarray(read_mask(store.get(store.key(line.mask.uri)), line.file.width, line.file.height)) > 0


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.mark.parametrize("channels", [1, 3])
def test_edits_are_for_training_in_their_parents_group_and_of_training_pictures(
    store: MemoryStore, channels: int
) -> None:
    lines = make_tiles(store, channels=channels)
    training = {line.file.sha256: line for line in lines if line.split == "train"}
    edited_lines = edited(store, lines, count=24)
    assert len(edited_lines) >= 20
    assert {line.origin.kind for line in edited_lines} == {"edited"}
    assert {line.split for line in edited_lines} == {"train"}
    for line in edited_lines:
        assert set(line.origin.parents) <= training.keys()
        assert line.group == training[line.origin.parents[0]].group
        assert (line.label, line.kind) == ("defect", "hole")
        assert (line.file.width, line.file.height, line.file.colour) == (WIDTH, HEIGHT, "L" if channels == 1 else "RGB")
    edits = Counter(recipe_of(line)["edit"] for line in edited_lines)
    assert edits["copy"] > edits["repeat"]
    assert sum(read_card(store, "edited")["by_edit"].values()) == len(edited_lines)


def test_a_copy_darkens_its_mask_and_nothing_far_from_it(store: MemoryStore) -> None:
    lines = make_tiles(store)
    by_sha = {line.file.sha256: line for line in lines}
    for line in edited(store, lines, shares={"copy": 1}, contrast=[1, 1]):
        before, now, mask = (
            pixels_of(store, by_sha[line.origin.parents[0]]),
            pixels_of(store, line),
            mask_of(store, line),
        )
        assert by_sha[line.origin.parents[0]].label == "good"
        assert (before - now)[mask].mean() > 60, "a spot is some 90 grey levels darker than its tile"
        rows, columns = np.nonzero(mask)
        middle = rows.mean(), columns.mean()
        away = np.hypot(*(np.mgrid[:HEIGHT, :WIDTH] - np.array(middle)[:, None, None]))
        assert (now == before)[away > 9 * 1.25 + 18].all()


def test_a_removed_defect_leaves_ground_as_rough_as_it_was(store: MemoryStore) -> None:
    lines = make_tiles(store)
    by_sha = {line.file.sha256: line for line in lines}
    edited_lines = edited(store, lines, count=10, shares={"remove": 1})
    assert {(line.label, line.kind, line.mask) for line in edited_lines} == {("good", "", None)}
    for line in edited_lines:
        parent = by_sha[line.origin.parents[0]]
        before, now, mask = pixels_of(store, parent), pixels_of(store, line), mask_of(store, parent)
        assert abs(now[mask].mean() - before[~mask].mean()) < 20, "a spot is some 90 grey levels darker"
        assert now[mask].std() > 2, "a hole that is filled from its edge alone is smooth"


def test_a_repeated_defect_lies_beside_the_first(store: MemoryStore) -> None:
    lines = make_tiles(store)
    by_sha = {line.file.sha256: line for line in lines}
    for line in edited(store, lines, count=12, shares={"repeat": 1}):
        own, both = mask_of(store, by_sha[line.origin.parents[0]]), mask_of(store, line)
        assert len(line.origin.parents) == 1
        assert (both & own).sum() == own.sum()
        assert both.sum() > 1.3 * own.sum()


def test_a_changed_defect_has_another_size_where_it_was(store: MemoryStore) -> None:
    lines = make_tiles(store)
    by_sha = {line.file.sha256: line for line in lines}
    for line in edited(store, lines, count=8, shares={"change": 1}, size=[1.5, 1.5], turn_degrees=[0, 0]):
        own, now = mask_of(store, by_sha[line.origin.parents[0]]), mask_of(store, line)
        assert 1.7 < now.sum() / own.sum() < 2.8, "1.5 squared is 2.25"
        middles = [np.argwhere(mask).mean(axis=0) for mask in (own, now)]
        assert np.abs(middles[0] - middles[1]).max() < 1.5


def two_colours(store: ObjectStore) -> list[ManifestLine]:
    """Coloured parts with a green wire at the left and a red one at the right; defects mark both."""
    random = np.random.default_rng(1)
    lines = []
    for number in range(6):
        pixels = np.clip(random.normal(128, 3, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        mask = np.zeros((HEIGHT, WIDTH), bool)
        for x, colour in ((35, (40, 160, 40)), (85, (180, 40, 40))):
            inside = np.hypot(*(np.mgrid[:HEIGHT, :WIDTH] - np.array([48, x])[:, None, None])) <= 8
            pixels[inside] = np.clip(np.array(colour) + random.normal(0, 2, (inside.sum(), 3)), 0, 255)
            mask |= inside
        label = "good" if number < 3 else "defect"
        marked = mask if label == "defect" else None
        kind = "swapped" if label == "defect" else ""
        lines.append(stored(store, pixels, marked, label, "train", f"wire-{number}", kind))
    write_dataset(store, "tiles", lines, {})
    return lines


def test_swapped_regions_have_changed_places(store: MemoryStore) -> None:
    for line in edited(store, two_colours(store), count=6, shares={"swap": 1}, kinds=["swapped"]):
        left, right = pixels_of(store, line)[48, 35], pixels_of(store, line)[48, 85]
        assert left[0] > 150 > 70 > left[1], "red is at the left"
        assert right[1] > 130 > 70 > right[0], "green is at the right"
        assert (line.label, line.kind) == ("defect", "swapped")


def test_a_recoloured_region_has_its_neighbours_colour(store: MemoryStore) -> None:
    for line in edited(store, two_colours(store), count=6, shares={"recolour": 1}):
        left, right = pixels_of(store, line)[48, 35], pixels_of(store, line)[48, 85]
        assert np.abs(left - right).max() < 25


def test_no_defect_is_set_beside_its_part(store: MemoryStore) -> None:
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    part = np.hypot(rows - 48, columns - 60) <= 34
    lines = []
    for number in range(16):
        pixels = np.where(part[..., None], tile(random), 240).astype(np.uint8)
        mask = spot(pixels, 60 + int(random.integers(-22, 22)), 48, 4) if number % 2 else None
        label = "defect" if number % 2 else "good"
        lines.append(stored(store, pixels, mask, label, "train", f"disc-{number}", "hole" if number % 2 else ""))
    write_dataset(store, "tiles", lines, {})
    edited_lines = edited(store, lines, count=30, shares={"copy": 1})
    assert len(edited_lines) == 30
    assert not any((mask_of(store, line) & ~part).any() for line in edited_lines)


def test_a_defect_at_the_edge_of_its_part_is_set_nowhere_else(store: MemoryStore) -> None:
    """What is shown around it would bring a piece of the edge along."""
    random = np.random.default_rng(3)
    lines = []
    for number in range(16):
        pixels = tile(random)
        pixels[:, :30] = 3
        x = (0, 38, 75)[number % 3]  # none, at the dark ground, in the middle
        mask = spot(pixels, x, 48, 5) if x else None
        label = "defect" if x else "good"
        lines.append(stored(store, pixels, mask, label, "train", f"edge-{number}", "hole" if x else ""))
    write_dataset(store, "tiles", lines, {})
    in_the_middle = {line.file.sha256 for number, line in enumerate(lines) if number % 3 == 2}
    edited_lines = edited(store, lines, count=20, shares={"copy": 1})
    assert len(edited_lines) == 20
    assert {line.origin.parents[1] for line in edited_lines} <= in_the_middle
    assert not any(mask_of(store, line)[:, :30].any() for line in edited_lines)


def test_the_same_call_makes_the_same_bytes_and_another_seed_others(store: MemoryStore) -> None:
    lines = make_tiles(store)
    first, again = edited(store, lines, name="one"), edited(store, lines, name="two")
    assert [line.file.sha256 for line in first] == [line.file.sha256 for line in again]
    others = {line.file.sha256 for line in edited(store, lines, name="three", seed=1)}
    assert len(others & {line.file.sha256 for line in first}) <= 1
    more = edited(store, lines, count=30, name="four")
    assert [line.file.sha256 for line in more][: len(first)] == [line.file.sha256 for line in first]


def test_every_edit_is_made_again_from_its_line(store: MemoryStore) -> None:
    lines = make_tiles(store)
    by_sha = {line.file.sha256: line for line in lines}
    shares = {"copy": 1, "repeat": 1, "change": 1, "remove": 1}
    for line in edited(store, lines, count=16, shares=shares):
        files = made_again(store, line, by_sha)
        assert files.picture == store.get(store.key(line.file.uri))
        assert (files.mask or b"") == (store.get(store.key(line.mask.uri)) if line.mask else b"")


def test_a_defect_that_nobody_would_see_is_not_made(store: MemoryStore) -> None:
    random = np.random.default_rng(0)
    lines = [stored(store, tile(random), None, "good", "train", f"g{n}") for n in range(3)]
    pixels = tile(random)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[40:50, 50:60] = True  # marked, and nothing is there
    lines.append(stored(store, pixels, mask, "defect", "train", "d", "hole"))
    with pytest.raises(FailedPrecondition, match="not one of 5"):
        edited(store, lines, count=5, shares={"copy": 1})


def test_what_can_not_be_done_is_said(store: MemoryStore) -> None:
    lines = make_tiles(store, good=0)
    with pytest.raises(FailedPrecondition, match="--around heat"):
        edited(store, [line for line in make_tiles(MemoryStore()) if not line.mask])
    with pytest.raises(FailedPrecondition, match="scratch; use hole"):
        edited(store, lines, kinds=["scratch"])
    with pytest.raises(FailedPrecondition, match="nothing to make copy of"):
        edited(store, [line for line in lines if line.split == "train" and line.mask], shares={"copy": 1})
    with pytest.raises(InvalidInput, match="ask for from 1 to"):
        edited(store, lines, count=0)
    with pytest.raises(AlreadyExists, match="made otherwise"):
        edited(store, lines, name="tiles")


def test_edits_of_what_is_tested_elsewhere_are_left_out(store: MemoryStore) -> None:
    lines = make_tiles(store)
    moved = edited(store, lines, count=12)[0].origin.parents[0]
    other = [replace(line, split="test") if line.file.sha256 == moved else line for line in lines]
    uri = write_dataset(store, "split-anew", other, {})
    whole, left = combined(store, uri, [store.uri(manifest_key("edited"))])
    added = whole[len(other) :]
    assert left == sum(moved in line.origin.parents for line in read_manifest(store, store.uri(manifest_key("edited"))))
    assert left > 0
    assert not any(moved in line.origin.parents for line in added)
