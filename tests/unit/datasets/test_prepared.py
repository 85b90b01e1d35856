"""What networks need of pictures: made as the line says, kept where that is costly, never of a replaced picture."""

import hashlib
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.manifest_line import ManifestLine, PictureFile
from defectory.datasets.prepared import KEPT_FROM_PIXELS, squares
from defectory.errors import Corrupted, DefectoryError
from defectory.storage.memory import MemoryStore


def put(store: MemoryStore, width: int, height: int, seed: int = 0, **fields: Any) -> ManifestLine:
    """A smooth coloured picture, stored as PNG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(data, "PNG")
    sha256 = hashlib.sha256(data.getvalue()).hexdigest()
    store.put(f"datasets/d/originals/{sha256}.png", data.getvalue())
    uri = store.uri(f"datasets/d/originals/{sha256}.png")
    file = PictureFile(uri=uri, sha256=sha256, width=width, height=height, **{"fit": "stretch", **fields})
    return ManifestLine(file=file, label="good")


def one(store: MemoryStore, line: ManifestLine, size_px: int = 32) -> np.ndarray:
    (square,) = squares(store, [line], size_px)
    assert isinstance(square, np.ndarray)
    return square


@pytest.mark.parametrize(("fit", "box"), [("stretch", (0, 0, 200, 100)), ("crop", (50, 0, 150, 100))])
def test_a_picture_becomes_square_as_its_line_says(fit: str, box: tuple[int, int, int, int]) -> None:
    store = MemoryStore()
    line = put(store, 200, 100, fit=fit, colour="RGB")
    whole = Image.open(io.BytesIO(store.get(store.key(line.file.uri))))
    expected = whole.resize((32, 32), Image.Resampling.LANCZOS, box=box)
    np.testing.assert_array_equal(one(store, line), np.asarray(expected))


def test_colours_are_the_datasets() -> None:
    store = MemoryStore()
    line = put(store, 40, 40)
    shapes = [one(store, replace(line, file=replace(line.file, colour=c))).shape for c in ("", "L", "RGB", "RGBA")]
    assert shapes == [(32, 32, 3), (32, 32), (32, 32, 3), (32, 32, 4)]


def test_what_is_made_of_a_large_picture_is_kept_and_of_a_small_one_not() -> None:
    store = MemoryStore()
    small, large = put(store, 100, 100), put(store, 1024, KEPT_FROM_PIXELS // 1024)
    before = one(store, small), one(store, large)
    kept = [info.key for info in store.list("prepared/")]
    assert [key.split("/")[1] for key in kept] == [large.file.sha256]
    # The picture itself is not asked for again.
    store.delete(store.key(large.file.uri))
    np.testing.assert_array_equal(one(store, large), before[1])
    # Another size, fit or depth is something else.
    for other in (
        replace(large, file=replace(large.file, fit="pad")),
        replace(large, file=replace(large.file, bits=12)),
    ):
        (error,) = squares(store, [other], 32)
        assert isinstance(error, DefectoryError)


@pytest.mark.parametrize(("colour", "shape"), [("L", (32, 32)), ("RGB", (32, 32, 3)), ("RGBA", (32, 32, 4))])
def test_what_is_kept_has_the_channels_that_it_was_made_with(colour: str, shape: tuple[int, ...]) -> None:
    store = MemoryStore()
    line = put(store, 1024, 1024, colour=colour)
    first, kept = one(store, line), one(store, line)
    assert first.shape == kept.shape == shape
    np.testing.assert_array_equal(first, kept)


def test_a_kept_image_that_is_broken_is_made_anew() -> None:
    store = MemoryStore()
    line = put(store, 1024, 1024)
    before = one(store, line)
    (key,) = [info.key for info in store.list("prepared/")]
    store.put(key, store.get(key)[:-40])
    np.testing.assert_array_equal(one(store, line), before)


def test_a_replaced_picture_is_no_image_and_stops_the_whole_behind_the_last() -> None:
    store = MemoryStore()
    lines = [put(store, 50, 50, seed) for seed in range(3)]
    store.put(store.key(lines[1].file.uri), store.get(store.key(lines[0].file.uri)))
    in_turn = squares(store, lines, 16)
    assert [isinstance(next(in_turn), np.ndarray) for _ in lines] == [True, False, True]
    with pytest.raises(Corrupted, match=f"1 of 3 files .*{lines[1].file.sha256}"):
        next(in_turn)
