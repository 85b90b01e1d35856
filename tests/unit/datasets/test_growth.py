"""Growth of the test split: how many, of what, and how it is marked."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.growth import AUGMENTATIONS, grow_test
from defectory.datasets.manifest import image_key
from defectory.datasets.manifest_line import ManifestLine, PictureFile
from defectory.errors import InvalidInput
from defectory.imaging import decode, encode_png
from defectory.storage.memory import MemoryStore


def dataset(store: MemoryStore, test: int, colour: bool = True) -> list[ManifestLine]:
    random = np.random.default_rng(0)
    lines = []
    for number in range(test + 4):
        pixels = random.integers(0, 256, (16, 16, 3) if colour else (16, 16), dtype=np.uint8)
        png = encode_png(Image.fromarray(pixels))
        sha256 = hashlib.sha256(png).hexdigest()
        store.put(image_key("d", sha256), png)
        lines.append(
            ManifestLine(
                file=PictureFile(uri=store.uri(image_key("d", sha256)), sha256=sha256, width=16, height=16),
                label="good",
                split="test" if number < test else "train",
                group=f"g{number}",
            )
        )
    return lines


@pytest.mark.parametrize("colour", [True, False])
def test_it_grows_to_the_number_that_was_asked_for_and_marks_every_copy(colour: bool) -> None:
    store = MemoryStore()
    lines = dataset(store, test=6, colour=colour)
    copies = grow_test(store, "d", lines, 40, tuple(AUGMENTATIONS), seed=3)
    parents = {line.file.sha256: line for line in lines if line.split == "test"}
    assert len(copies) == 34
    per_parent = Counter(copy.origin.parents[0] for copy in copies)
    assert max(per_parent.values()) - min(per_parent.values()) <= 1
    for copy in copies:
        parent = parents[copy.origin.parents[0]]
        assert (copy.split, copy.label, copy.group, copy.origin.kind) == ("test", "good", parent.group, "real")
        assert copy.origin.augmentation in AUGMENTATIONS
        data = store.get(store.key(copy.file.uri))
        assert hashlib.sha256(data).hexdigest() == copy.file.sha256
        assert decode(data).size == (16, 16)
    assert len({copy.file.sha256 for copy in copies}) == 34


def test_the_same_seed_gives_the_same_copies_and_another_gives_others() -> None:
    store = MemoryStore()
    lines = dataset(store, test=6)
    first, again, other = (grow_test(store, "d", lines, 12, tuple(AUGMENTATIONS), seed=s) for s in (0, 0, 1))
    assert first == again != other


def test_mirroring_is_numpys() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    assert np.array_equal(np.asarray(AUGMENTATIONS["mirror-x"](image)), pixels[:, ::-1])
    assert np.array_equal(np.asarray(AUGMENTATIONS["mirror-y"](image)), pixels[::-1])
    assert np.array_equal(np.asarray(AUGMENTATIONS["rotate-180"](image)), pixels[::-1, ::-1])
    brighter = np.asarray(AUGMENTATIONS["brighter"](image)).astype(float)
    assert np.abs(brighter - np.minimum(pixels * 1.15, 255)).max() <= 1


def test_a_small_turn_moves_the_middle_little_and_leaves_no_black_corner() -> None:
    image = Image.fromarray(np.full((32, 32, 3), 200, np.uint8))
    assert np.asarray(AUGMENTATIONS["rotate+5"](image)).min() >= 199


@pytest.mark.parametrize(("images", "names"), [(100, ("mirror-x",)), (5, ("sideways",)), (-1, ("mirror-x",)), (9, ())])
def test_what_cannot_be_is_refused(images: int, names: tuple[str, ...]) -> None:
    store = MemoryStore()
    with pytest.raises(InvalidInput):
        grow_test(store, "d", dataset(store, test=6), images, names, seed=0)
