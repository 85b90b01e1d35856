"""FiftyOne's labels.json, with numbers and with names, and its directory tree."""

from pathlib import Path

import pytest

from defectory.datasets.layouts import read_source
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, photographs, texts
from tests.unit.datasets.layouts.tools import FIFTYONE


@pytest.mark.parametrize("form", ["numbers", "names"])
def test_labels_by_number_and_by_name(form: str) -> None:
    source = read_source(FIFTYONE / form)
    assert source.layout == "fiftyone"
    assert {file.path: (file.label, file.kinds) for file in source.files} == {
        "data/a.png": ("good", ()),
        "data/b.png": ("scratch", ()),
        "data/c.png": ("hole", ("hole", "scratch")),
        "data/e.png": ("good", ()),
        "data/f.png": ("hole", ()),
    }
    assert left_out(source) == {"nobody labelled it": {"data/d.png"}}


def test_its_directory_tree_leaves_out_what_has_no_label() -> None:
    source = read_source(FIFTYONE / "tree")
    assert {file.label for file in source.files} == {"good", "scratch", "hole"}
    assert [path for paths in left_out(source).values() for path in paths] == ["_unlabeled/d.png"]


@pytest.mark.parametrize(("labels", "message"), [('{"a": 9}', "9 is no place in the list"), ("[0]", "no object")])
def test_what_is_not_fiftyones_is_refused_by_its_picture(tmp_path: Path, labels: str, message: str) -> None:
    photographs(tmp_path, "data/a.png")
    texts(tmp_path, {"labels.json": f'{{"classes": ["good"], "labels": {labels}}}'})
    with pytest.raises(InvalidInput, match=rf"labels\.json.*{message}"):
        read_source(tmp_path)
