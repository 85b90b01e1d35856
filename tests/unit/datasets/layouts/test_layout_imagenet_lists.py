"""ImageNet lists, as CVAT and Datumaro write annotations without pictures."""

from pathlib import Path

import pytest

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, photographs, texts
from tests.unit.datasets.layouts.tools import DATUMARO


def test_labels_and_splits() -> None:
    source = read_source(DATUMARO / "imagenet_txt", Choices(keep_splits=True))
    assert source.layout == "imagenet-lists"
    # Datumaro 1.13.12 sorts the numbers of a line: c was labelled hole first.
    assert {file.path: (file.label, file.split, file.kinds) for file in source.files} == {
        "images/a.png": ("good", "train", ()),
        "images/b.png": ("scratch", "train", ()),
        "images/c.png": ("scratch", "test", ("scratch", "hole")),
        "images/e.png": ("hole", "train", ()),
        "images/f.png": ("good", "test", ()),
    }
    assert left_out(source) == {"nobody labelled it": {"images/d.png"}}


def test_a_number_beyond_the_list_of_labels_is_refused_by_its_line(tmp_path: Path) -> None:
    photographs(tmp_path, "images/a b.png")
    texts(tmp_path, {"synsets.txt": "good\nhole\n", "train.txt": '"a b.png" 2\n'})
    with pytest.raises(InvalidInput, match=r"train\.txt, line 1: '2' names no label; use numbers from 0 to 1"):
        read_source(tmp_path)
    texts(tmp_path, {"train.txt": '"a b.png" 1\n'})
    assert [(file.path, file.label) for file in read_source(tmp_path).files] == [("images/a b.png", "hole")]
