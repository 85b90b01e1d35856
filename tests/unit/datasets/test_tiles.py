"""Tiles: every pixel is covered, places are right, masks are cut alike, and a part's tiles stay together."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from defectory.datasets.ingest import ingest
from defectory.datasets.manifest import read_card, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.tiles import Tiling, strip_warning, tiles_of
from defectory.errors import InvalidInput
from defectory.imaging import decode
from defectory.storage.memory import MemoryStore

tilings = st.builds(Tiling, side_px=st.sampled_from([0, 8, 9, 64]), overlap=st.floats(0, 0.75))


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), tilings)
def test_tiles_cover_a_picture_and_overlap_as_wanted(width: int, height: int, tiling: Tiling) -> None:
    tiles = tiles_of(width, height, tiling)
    side = min(tiling.side_px or min(width, height), width, height)
    step = max(1, int(side * (1 - tiling.overlap)))
    covered = np.zeros((height, width), int)
    for tile in tiles:
        left, top, right, bottom = tile.box
        assert right - left == bottom - top == tile.side == side
        assert min(left, top) >= 0
        covered[top:bottom, left:right] += 1
    assert covered.shape == (height, width)
    assert covered.min() >= 1
    for starts in ({tile.left for tile in tiles}, {tile.top for tile in tiles}):
        assert all(gap <= step for gap in np.diff(sorted(starts)))
    fewest = [-(-(length - side) // step) + 1 for length in (width, height)]
    assert len({tile.box for tile in tiles}) == len(tiles) == fewest[0] * fewest[1]
    assert all(tile.left + side <= width and tile.top + side <= height for tile in tiles)


def strip(seed: int, width: int = 512, height: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)


def category(root: Path, masked: bool = True) -> dict[str, np.ndarray]:
    """An MVTec category of strips 16:1 -> the masks of its defects by path."""
    masks = {}
    for folder in ("train/good", "test/good", "test/hole", "ground_truth/hole"):
        (root / folder).mkdir(parents=True)
    for i in range(4):
        Image.fromarray(strip(i)).save(root / f"train/good/{i}.png")
        Image.fromarray(strip(100 + i)).save(root / f"test/hole/{i}.png")
        mask = np.zeros((32, 512), np.uint8)
        mask[5:14, 100 * i + 40 : 100 * i + 52] = 255
        masks[f"test/hole/{i}.png"] = mask
        if masked:
            Image.fromarray(mask).save(root / f"ground_truth/hole/{i}_mask.png")
    return masks


def lines_of(root: Path, **options: object) -> tuple[MemoryStore, list[ManifestLine]]:
    store = MemoryStore()
    return store, read_manifest(store, ingest(root, store, "web", **options).manifest_uri)


def test_strips_are_cut_and_labelled_by_their_masks(tmp_path: Path) -> None:
    masks = category(tmp_path)
    store, lines = lines_of(tmp_path, tiling=Tiling(overlap=0.5))
    assert len(lines) == 8 * len(tiles_of(512, 32, Tiling(overlap=0.5))) == 8 * 31
    groups = defaultdict(set)
    for line in lines:
        assert line.origin.tile is not None
        left, top, side = line.origin.tile
        box = np.s_[top : top + side, left : left + side]
        name = Path(line.origin.source)
        seen = strip(int(name.stem) + (100 if "hole" in line.origin.source else 0))[box]
        np.testing.assert_array_equal(np.asarray(decode(store.get(store.key(line.file.uri)))), seen)
        cut = masks.get(line.origin.source, np.zeros((32, 512), np.uint8))[box]
        assert (line.label, line.kind) == (("defect", "hole") if cut.any() else ("good", ""))
        assert bool(line.mask) == bool(cut.any())
        if line.mask:
            np.testing.assert_array_equal(np.asarray(decode(store.get(store.key(line.mask.uri)))), cut)
        groups[line.origin.source].add((line.group, line.split))
    assert len(groups) == 8
    assert all(len(pairs) == 1 for pairs in groups.values())
    assert len({next(iter(pairs))[0] for pairs in groups.values()}) == 8
    assert read_card(store, "web")["tiling"] == {"side_px": 0, "overlap": 0.5}
    assert read_card(store, "web")["groups"] == 8


def test_tiles_of_a_defect_that_no_mask_marks_are_said(tmp_path: Path) -> None:
    category(tmp_path, masked=False)
    store, lines = lines_of(tmp_path, tiling=Tiling())
    assert {line.label for line in lines if "hole" in line.origin.source} == {"defect"}
    assert read_card(store, "web")["notes"] == [
        "4 photographs of defects have no mask that says where (e.g. test/hole/0.png): all their tiles bear the "
        "photograph's label, also those that the defect is not on"
    ]


def test_a_large_picture_is_cut_in_both_directions(tmp_path: Path) -> None:
    for number, label in enumerate(("good", "bad")):
        (tmp_path / label).mkdir()
        for i in range(3):
            Image.fromarray(strip(10 * number + i, 150, 100)).save(tmp_path / label / f"{i}.jpg", quality=95)
    store, lines = lines_of(tmp_path, tiling=Tiling(side_px=64, overlap=0.25))
    tiles = {line.origin.tile for line in lines if line.origin.source == "bad/0.jpg"}
    assert tiles == {(left, top, 64) for left in (0, 43, 86) for top in (0, 36)}
    whole = decode((tmp_path / "bad/0.jpg").read_bytes())
    for line in lines:
        if line.origin.source == "bad/0.jpg" and line.origin.tile:
            left, top, side = line.origin.tile
            part = whole.crop((left, top, left + side, top + side))
            np.testing.assert_array_equal(np.asarray(decode(store.get(store.key(line.file.uri)))), np.asarray(part))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_strips_that_stay_whole_are_warned_of_with_the_remedies(tmp_path: Path, fit: str) -> None:
    category(tmp_path)
    store, lines = lines_of(tmp_path, fit=fit)
    assert {line.origin.tile for line in lines} == {None}
    (note,) = read_card(store, "web")["notes"]
    assert note.startswith("8 of 8 photographs are longer than 3:1 (up to 16:1): ")
    assert "--tile" in note
    assert {"stretch": "--fit pad or crop", "crop": "keeps 6% of the longest", "pad": "--fit crop"}[fit] in note


@pytest.mark.parametrize(("size", "warned"), [((30, 10), False), ((10, 30), False), ((31, 10), True), ((10, 31), True)])
def test_from_3_to_1_on(size: tuple[int, int], warned: bool) -> None:
    assert bool(strip_warning([(10, 10), size], "stretch")) == warned


@pytest.mark.parametrize(
    ("tiling", "named"), [(Tiling(4), "tile_px is 4"), (Tiling(0, 0.9), "tile_overlap is 0.9"), (Tiling(-1), "tile_px")]
)
def test_refusals(tmp_path: Path, tiling: Tiling, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        lines_of(tmp_path, tiling=tiling)


def test_a_mask_of_another_size_is_left_out_and_said_and_its_photograph_stays(tmp_path: Path) -> None:
    category(tmp_path)
    Image.new("L", (256, 16), 255).save(tmp_path / "ground_truth/hole/1_mask.png")
    store, lines = lines_of(tmp_path, fit="pad")
    assert {line.origin.source for line in lines if line.kind == "hole" and line.mask} == {
        f"test/hole/{i}.png" for i in (0, 2, 3)
    }
    assert len(lines) == 8
    ((path, why),) = read_card(store, "web")["masks_left_out"]
    assert path == "test/hole/1.png"
    assert why.startswith("the mask is 256x16 and its photograph, upright, 512x32: ")
    assert any(path in note and why in note for note in read_card(store, "web")["notes"])
