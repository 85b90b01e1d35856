"""Datumaro's own format."""

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from tests.unit.datasets.layouts.drawing import left_out
from tests.unit.datasets.layouts.test_layout_coco import check_outlines
from tests.unit.datasets.layouts.tools import DATUMARO


def test_labels_splits_and_outlines() -> None:
    source = read_source(DATUMARO / "datumaro", Choices(keep_splits=True))
    assert source.layout == "datumaro"
    assert {file.path: (file.label, file.split, file.kinds) for file in source.files} == {
        "images/train/a.png": ("good", "train", ()),
        "images/train/b.png": ("scratch", "train", ()),
        "images/test/c.png": ("hole", "test", ("hole", "scratch")),
        "images/train/e.png": ("hole", "train", ()),
        "images/test/f.png": ("good", "test", ()),
    }
    assert left_out(source) == {"nobody labelled it": {"images/test/d.png"}}
    check_outlines(source)


def test_its_class_folders_leave_out_what_has_no_label() -> None:
    source = read_source(DATUMARO / "imagenet")
    assert {file.label for file in source.files} == {"good", "scratch", "hole"}
    assert [path for paths in left_out(source).values() for path in paths] == ["no_label/d.png"]
    source = read_source(DATUMARO / "imagenet_with_subset_dirs", Choices(keep_splits=True))
    assert {(file.split, file.label) for file in source.files} == {
        ("train", "good"), ("train", "scratch"), ("train", "hole"),
        ("test", "good"), ("test", "scratch"), ("test", "hole"),
    }  # fmt: skip
    assert [path for paths in left_out(source).values() for path in paths] == ["test/no_label/d.png"]
