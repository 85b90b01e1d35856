"""Roboflow's classes as columns."""

from pathlib import Path

import pytest

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, photographs, texts


def test_labels_splits_and_copies_of_one_photograph(tmp_path: Path) -> None:
    names = ["a_jpg.rf.01.jpg", "a_jpg.rf.02.jpg", "b_jpg.rf.03.jpg", "c_jpg.rf.04.jpg"]
    photographs(tmp_path, *(f"train/{name}" for name in names), "valid/d_jpg.rf.05.jpg")
    head = "filename, good, hole, scratch"
    table = [head, f"{names[0]}, 1, 0, 0", f"{names[1]}, 1, 0, 0", f"{names[2]}, 0, 1, 1", f"{names[3]}, 0, 0, 0"]
    texts(tmp_path, {"train/_classes.csv": "\n".join(table), "valid/_classes.csv": f"{head}\nd_jpg.rf.05.jpg, 0, 1, 0"})
    source = read_source(tmp_path, Choices(keep_splits=True))
    assert source.layout == "roboflow"
    assert {file.path: (file.label, file.split, file.group, file.kinds) for file in source.files} == {
        f"train/{names[0]}": ("good", "train", "a_jpg", ()),
        f"train/{names[1]}": ("good", "train", "a_jpg", ()),
        f"train/{names[2]}": ("hole", "train", "b_jpg", ("hole", "scratch")),
        "valid/d_jpg.rf.05.jpg": ("hole", "validation", "d_jpg", ()),
    }
    assert left_out(source) == {"nobody labelled it": {f"train/{names[3]}"}}


def test_a_cell_that_is_neither_0_nor_1_is_refused_by_its_row(tmp_path: Path) -> None:
    photographs(tmp_path, "train/a.jpg")
    texts(tmp_path, {"train/_classes.csv": "filename,good\na.jpg,yes"})
    with pytest.raises(InvalidInput, match=r"train/_classes\.csv, row 2: 'yes' under good; use 1"):
        read_source(tmp_path)
