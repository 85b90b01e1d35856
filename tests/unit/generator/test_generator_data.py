"""Training data: what is chosen, what is refused, in which order it is shown."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from defectory.errors import Corrupted, InvalidInput
from defectory.storage import ObjectStore
from services.generator.training import data
from tests.unit.generator.generator_samples import make_lines

SPLITS = [("good", "train"), ("bad", "train"), ("good", "train"), ("good", "test"), ("good", "validation")]


def test_only_training_lines_of_the_label_are_learned(folder: ObjectStore) -> None:
    lines = make_lines(folder, "d", SPLITS)
    lines[2] = replace(lines[2], origin=replace(lines[2].origin, kind="synthetic"))
    assert data.select(lines, "good") == [lines[0]]
    lines[2] = replace(lines[2], origin=replace(lines[2].origin, kind="edited"))
    assert data.select(lines, "good") == [lines[0], lines[2]]


def test_a_label_without_images_is_refused_and_others_are_named(folder: ObjectStore) -> None:
    with pytest.raises(InvalidInput, match="bad, good") as refused:
        data.select(make_lines(folder, "d", SPLITS), "scratch")
    assert "label" in refused.value.fields


@pytest.mark.parametrize("leak", ["sha256", "group", "parents"])
def test_training_on_what_is_tested_is_refused(folder: ObjectStore, leak: str) -> None:
    lines = make_lines(folder, "d", SPLITS)
    own, tested = lines[0], lines[3]
    lines[0] = {
        "sha256": replace(own, file=replace(own.file, sha256=tested.file.sha256)),
        "group": replace(own, group=tested.group),
        "parents": replace(own, origin=replace(own.origin, parents=(tested.file.sha256,))),
    }[leak]
    with pytest.raises(InvalidInput, match="also tested on") as refused:
        data.select(lines, "good")
    assert "manifest_uri" in refused.value.fields


def test_lines_without_a_group_are_not_of_one_group(folder: ObjectStore) -> None:
    lines = [replace(line, group="") for line in make_lines(folder, "d", SPLITS)]
    assert len(data.select(lines, "good")) == 2


def test_pixels_are_read_as_they_are(folder: ObjectStore) -> None:
    lines = make_lines(folder, "d", SPLITS)
    images = data.load(folder, lines, 16)
    assert images.pixels.shape == (5, 3, 16, 16)
    assert images.pixels.dtype == torch.uint8
    assert data.load(folder, lines, 8).pixels.shape == (5, 3, 8, 8)
    grey = data.load(folder, make_lines(folder, "grey", SPLITS, channels=1), 16)
    assert grey.pixels.shape == (5, 1, 16, 16)


def test_alpha_is_kept_where_an_image_has_it(folder: ObjectStore) -> None:
    lines = make_lines(folder, "see-through", SPLITS[:2], channels=4)
    pixels = data.load(folder, lines, 16).pixels
    assert pixels.shape == (2, 4, 16, 16)
    hidden = pixels[:, 3] == 0
    assert hidden.any()
    assert (pixels.permute(0, 2, 3, 1)[hidden][:, :3] == 255).all()  # what is invisible has one colour
    mixed = data.load(folder, [*lines, *make_lines(folder, "solid", SPLITS[:1])], 16).pixels
    assert mixed.shape == (3, 4, 16, 16)
    assert (mixed[2, 3] == 255).all()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(1, 3, [9, 9, 9]), (3, 1, [20]), (3, 4, [10, 20, 30, 255]), (1, 4, [9, 9, 9, 255]), (4, 3, [10, 20, 30])],
)
def test_channels_are_matched(before: int, after: int, expected: list[int]) -> None:
    pixel = {1: [9], 3: [10, 20, 30], 4: [10, 20, 30, 7]}[before]
    images = np.tile(np.array(pixel, np.uint8), (2, 4, 4, 1))
    converted = data.in_channels(images, after)
    assert converted.shape == (2, 4, 4, after)
    assert converted[1, 2, 3].tolist() == expected
    assert data.in_channels(images, before) is images


def test_the_original_size_is_that_of_most_images(folder: ObjectStore) -> None:
    lines = make_lines(folder, "d", SPLITS)
    assert data.original_size(lines) is None
    sizes = [(200, 100), (200, 100), (210, 90)]
    known = [replace(x, origin=replace(x.origin, stretched_from=s)) for x, s in zip(lines, sizes, strict=False)]
    assert data.original_size([*known, lines[3]]) == (200, 100)
    own = [
        replace(x, file=replace(x.file, fit="stretch", width=w, height=h))
        for x, (w, h) in zip(lines, sizes, strict=False)
    ]
    assert data.original_size(own) == (200, 100)
    assert data.original_size([replace(x, file=replace(x.file, fit="pad")) for x in own]) is None  # a border stays


def test_an_image_that_was_changed_is_refused(folder: ObjectStore) -> None:
    lines = make_lines(folder, "d", SPLITS)
    folder.put(folder.key(lines[1].file.uri), folder.get(folder.key(lines[0].file.uri)))
    with pytest.raises(Corrupted, match="SHA-256"):
        data.load(folder, lines, 16)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([(16, 16)], 16), ([(500, 300)], 64), ([(500, 300), (40, 90)], 32), ([(64, 64)], 64), ([(5, 900)], 8)],
)
def test_the_default_resolution_is_64_or_what_the_smallest_picture_has(
    sizes: list[tuple[int, int]], expected: int, folder: ObjectStore
) -> None:
    line = make_lines(folder, "d", SPLITS)[0]
    lines = [replace(line, file=replace(line.file, width=width, height=height)) for width, height in sizes]
    assert data.default_resolution(lines) == expected


def test_pictures_of_several_sizes_become_one(folder: ObjectStore) -> None:
    small = make_lines(folder, "d", SPLITS)
    assert data.load(folder, [small[0], small[1]], 32).pixels.shape == (2, 3, 32, 32)


def test_every_pass_shows_every_image_once_in_its_own_order() -> None:
    images = torch.arange(7, dtype=torch.uint8).reshape(7, 1, 1, 1)
    epochs = data.Epochs(images, seed=1)
    shown = epochs.batch(0, 21).pixels.flatten().tolist()
    passes = [shown[i : i + 7] for i in (0, 7, 14)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert passes[0] != passes[1]
    later = data.Epochs(images, seed=1).batch(10, 5).pixels
    assert torch.equal(later, epochs.batch(10, 5).pixels)  # the position is all that there is to remember


def test_mirrored_images_count_as_further_images() -> None:
    image = torch.from_numpy(np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2))
    epochs = data.Epochs(image, seed=0, mirror_x=True, mirror_y=True)
    shown = {tuple(x.flatten().tolist()) for x in epochs.batch(0, 4).pixels}
    assert shown == {(0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0)}


def test_bytes_become_floats_from_minus_one_to_one() -> None:
    shown = data.Shown(torch.tensor([[[[0, 255]]]], dtype=torch.uint8), None)
    torch.testing.assert_close(shown.images(torch.device("cpu")), torch.tensor([[[[-1.0, 1.0]]]]))


def test_a_thread_prepares_the_batches_that_would_come_without_it() -> None:
    images = torch.arange(7, dtype=torch.uint8).reshape(7, 1, 1, 1)
    classes = torch.arange(7)
    ahead = data.Prefetched(data.Epochs(images, seed=1, mirror_x=True, classes=classes))
    plain = data.Epochs(images, seed=1, mirror_x=True, classes=classes)
    for start in (0, 4, 8, 40, 44, 8):  # 40 and the last 8: a training that was taken up or rolled back
        batch, expected = ahead.batch(start, 4), plain.batch(start, 4)
        assert torch.equal(batch.pixels, expected.pixels)
        assert batch.classes is not None
        assert torch.equal(batch.classes, batch.pixels.flatten().long())  # each image with its own class
