"""Defects cut out of the photographs into which they were set, for those who know them large."""

from dataclasses import replace

import numpy as np
import pytest

from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine, Origin
from defectory.errors import FailedPrecondition
from defectory.storage.memory import MemoryStore
from orchestrator.defects.looking import cut_out
from orchestrator.edits.pictures import read_line_mask, read_picture
from tests.unit.edits.tiles import HEIGHT, WIDTH, spot, stored, tile


def photograph(store: MemoryStore, x: int, y: int, kind: str = "hole") -> tuple[ManifestLine, np.ndarray]:
    """A tile with a spot of radius 4 there, as if it had been set in; and its pixels."""
    pixels = tile(np.random.default_rng(x))
    mask = spot(pixels, x, y, 4)
    line = stored(store, pixels, mask, "defect", "train", f"g{x}", kind)
    return replace(line, origin=Origin(kind="synthetic")), pixels


@pytest.mark.parametrize(
    ("x", "y", "left", "top"),
    [(60, 50, 44, 34), (5, 50, 0, 34), (60, HEIGHT - 5, 44, HEIGHT - 32), (WIDTH - 5, 5, WIDTH - 32, 0)],
)
def test_the_square_is_the_photographs_own_pixels_around_the_defect(x: int, y: int, left: int, top: int) -> None:
    store = MemoryStore()
    line, pixels = photograph(store, x, y)
    (crop,) = read_manifest(store, cut_out(store, [line], "seen", 32, source="memory://source"))
    np.testing.assert_array_equal(read_picture(store, crop), pixels[top : top + 32, left : left + 32])
    assert (crop.origin.parents, crop.origin.tile) == ((line.file.sha256,), (left, top, 32))
    assert (crop.label, crop.origin.kind, crop.file.width, crop.file.height) == ("hole", "synthetic", 32, 32)
    mask = read_line_mask(store, crop)
    assert mask is not None
    assert mask[y - top, x - left]
    assert mask.sum() == 49  # of a disc of radius 4


def test_photographs_keep_their_order_and_a_small_one_is_shown_as_far_as_it_goes() -> None:
    store = MemoryStore()
    lines = [photograph(store, x, 40, kind)[0] for x, kind in ((30, "hole"), (60, "crack"), (90, "hole"))]
    crops = read_manifest(store, cut_out(store, lines, "seen", 200, source="memory://source"))
    assert [crop.origin.parents[0] for crop in crops] == [line.file.sha256 for line in lines]
    assert [crop.label for crop in crops] == ["hole", "crack", "hole"]
    assert {(crop.file.width, crop.file.height) for crop in crops} == {(HEIGHT, HEIGHT)}


def test_a_photograph_without_a_mask_is_refused() -> None:
    store = MemoryStore()
    line = replace(photograph(store, 60, 50)[0], mask=None)
    with pytest.raises(FailedPrecondition, match="has no mask"):
        cut_out(store, [line], "seen", 32, source="memory://source")
