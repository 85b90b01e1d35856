"""Severstal: run lengths from 1 down the columns; what has no row is good."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.run_lengths import RunLengths
from defectory.datasets.layouts.severstal import SEVERSTAL, TEST
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import SIDE, left_out, photographs, rows, texts
from tests.unit.datasets.layouts.ingested import ingested

GOOD = [f"train_images/g{n}.jpg" for n in range(4)]
FAULTY = [f"train_images/f{n}.jpg" for n in range(4)]
ROWS = ["f0.jpg,3,1 2 17 2", "f1.jpg,1,1 1", "f1.jpg,3,256 1", "f2.jpg,4,3 1", "f3.jpg,4,5 1"]


def steel(root: Path, header: str = "ImageId,ClassId,EncodedPixels", lines: list[str] = ROWS) -> Path:
    photographs(root, *GOOD, *FAULTY, "test_images/t0.jpg")
    texts(root, {"train.csv": "\n".join([header, *lines]), "sample_submission.csv": "ImageId,EncodedPixels,ClassId\n"})
    return root


def test_rows_are_defects_and_the_rest_is_good(tmp_path: Path) -> None:
    source = read_source(steel(tmp_path))
    assert (source.layout, source.good) == (SEVERSTAL.name, "good")
    labels = {path: label for path, (label, *_) in rows(source).items()}
    assert labels == dict.fromkeys(GOOD, "good") | dict(
        zip(FAULTY, ("defect_3", "defect_1", "defect_4", "defect_4"), strict=True)
    )
    assert {file.kinds for file in source.files if file.kinds} == {("defect_1", "defect_3")}
    assert left_out(source) == {TEST: {"test_images/t0.jpg"}}
    assert any(note.startswith("4 pictures without a row") for note in source.notes)


def test_the_first_table_of_the_competition_is_read_alike(tmp_path: Path) -> None:
    wide = [
        "f0.jpg_1,",
        "f0.jpg_3,1 2 17 2",
        "f1.jpg_1,1 1",
        "f1.jpg_3,256 1",
        "f2.jpg_4,3 1",
        "f3.jpg_4,5 1",
        "g0.jpg_1,",
    ]
    one = read_source(steel(tmp_path / "one"))
    other = read_source(steel(tmp_path / "other", "ImageId_ClassId,EncodedPixels", wide))
    assert {file.path: (file.label, file.kinds) for file in one.files} == {
        file.path: (file.label, file.kinds) for file in other.files
    }


def test_masks_are_made_down_the_columns(tmp_path: Path) -> None:
    dataset = ingested(steel(tmp_path))
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[0:2, 0:2] = 255  # pixels 1 and 2 of the first column, and of the second, which begins at 17
    assert (dataset.mask(FAULTY[0]) == expected).all()
    both = np.zeros((SIDE, SIDE), np.uint8)
    both[0, 0] = both[SIDE - 1, SIDE - 1] = 255  # of two rows
    assert (dataset.mask(FAULTY[1]) == both).all()
    assert not dataset.mask(GOOD[0]).any()


def test_run_lengths_are_the_masks_they_were_made_of() -> None:
    pixels = np.random.default_rng(0).random((7, 12)) > 0.6
    flat = np.concatenate([[False], pixels.T.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs = " ".join(f"{start + 1} {end - start}" for start, end in edges.reshape(-1, 2))
    drawn = RunLengths("train.csv", 2, runs).draw(Path(), 12, 7)
    assert (np.asarray(drawn) == pixels * 255).all()


@pytest.mark.parametrize(
    ("runs", "says"),
    [("1", "pairs"), ("0 1", "count from 1"), ("80 6", "beyond the picture of 12x7"), ("1 x", "whole numbers"),
     ("9223372036854775807 9223372036854775807", "beyond")],
)  # fmt: skip
def test_broken_run_lengths_are_named_by_their_row(runs: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=rf"train.csv, row 5: .*{says}"):
        RunLengths("train.csv", 5, runs).draw(Path(), 12, 7)


def test_a_picture_that_is_not_there_is_said(tmp_path: Path) -> None:
    (steel(tmp_path) / FAULTY[2]).unlink()
    assert any("1 pictures of train.csv are not in train_images, e.g. f2.jpg" in n for n in read_source(tmp_path).notes)


def test_run_lengths_of_another_size_are_no_mask(tmp_path: Path) -> None:
    root = steel(tmp_path)
    Image.new("L", (4, 4), 9).save(root / FAULTY[1])
    assert not ingested(root).has_mask(FAULTY[1])


def test_the_folder_of_pictures_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"give {tmp_path}$"):
        read_source(steel(tmp_path) / "train_images")
