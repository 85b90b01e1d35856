"""COCO as Datumaro and Roboflow write it: labels, outlines, pictures that nobody looked at."""

import json
from pathlib import Path

import numpy as np
import pytest

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.json_file import read_json
from defectory.datasets.layouts.polygons import Outline
from defectory.datasets.layouts.source import Choices, Source
from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, photographs, rows, texts
from tests.unit.datasets.layouts.tools import DATUMARO

KEPT = Choices(keep_splits=True)


def drawn(source: Source, path: str) -> np.ndarray:
    """The picture's mask, (16, 20) of 0 and 1."""
    file = next(file for file in source.files if file.path == path)
    return np.maximum.reduce([np.asarray(mask.draw(source.root, 20, 16)) for mask in file.masks]) // 255


def check_outlines(source: Source) -> None:
    """The mask of e and the polygon of c, as they were drawn for the tool."""
    expected = np.zeros((16, 20))
    expected[4:8, 5:9] = 1
    e, c = (next(file.path for file in source.files if file.path.endswith(f"{name}.png")) for name in "ec")
    assert (drawn(source, e) == expected).all()
    down, across = np.mgrid[:16, :20] + 0.5
    inside = (across < 8) & (across > down) & (down > 1)  # of the triangle (1, 1), (8, 1), (8, 8)
    assert (drawn(source, c) != inside).sum() <= 7  # pixels that its slope cuts through


def test_labels_of_all_files_and_outlines_of_one() -> None:
    source = read_source(DATUMARO / "coco", KEPT)
    assert source.layout == "coco"
    assert {file.path: (file.label, file.split, file.kinds) for file in source.files} == {
        "images/train/a.png": ("good", "train", ()),
        "images/train/b.png": ("scratch", "train", ()),
        "images/test/c.png": ("hole", "test", ("hole", "scratch")),
        "images/train/e.png": ("hole", "train", ()),
        "images/test/f.png": ("good", "test", ()),
    }
    assert left_out(source)["nobody labelled it"] == {"images/test/d.png"}
    assert left_out(source)["it is a map of segments, no photograph"] == {"annotations/panoptic_train/e.png"}
    assert [len(file.masks) for file in source.files if file.path.endswith("e.png")] == [1]
    check_outlines(source)


def test_a_picture_without_annotation_is_good_only_where_somebody_says_so() -> None:
    source = read_source(DATUMARO / "coco_instances")
    assert {file.label for file in source.files} == {"hole", "scratch"}
    assert left_out(source)["nobody labelled it"] == {f"images/{name}.png" for name in ("train/a", "test/d", "test/f")}
    assert any("3 of 6 pictures" in note and "--good" in note for note in source.notes)
    source = read_source(DATUMARO / "coco_instances", Choices(good="good"))
    assert {file.path for file in source.files if file.label == "good"} == {
        f"images/{name}.png" for name in ("train/a", "test/d", "test/f")
    }


def test_the_file_of_one_split_can_be_given() -> None:
    source = read_source(DATUMARO / "coco_instances/annotations/instances_train.json")
    assert {file.path: file.label for file in source.files} == {
        "images/train/b.png": "scratch",
        "images/train/e.png": "hole",
    }


def test_roboflows_copies_of_one_photograph_are_one_group(tmp_path: Path) -> None:
    names = ["x_png.rf.0a1b.png", "x_png.rf.2c3d.png", "y_png.rf.4e5f.png"]
    photographs(tmp_path, *(f"train/{name}" for name in names))
    annotations = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [1, 1, 4, 4], "segmentation": []} for i in range(3)
    ]
    content = {
        "categories": [{"id": 0, "name": "faults"}, {"id": 1, "name": "scratch"}],
        "images": [{"id": i, "file_name": name, "width": 16, "height": 16} for i, name in enumerate(names)],
        "annotations": annotations,
    }
    texts(tmp_path, {"train/_annotations.coco.json": json.dumps(content)})
    assert rows(read_source(tmp_path, KEPT)) == {
        "train/x_png.rf.0a1b.png": ("scratch", "train", "x_png", ()),
        "train/x_png.rf.2c3d.png": ("scratch", "train", "x_png", ()),
        "train/y_png.rf.4e5f.png": ("scratch", "train", "y_png", ()),
    }


def test_what_is_not_cocos_is_refused_by_its_file(tmp_path: Path) -> None:
    photographs(tmp_path, "images/a.png")
    wrong = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [],
        "annotations": [{"image_id": 1, "category_id": 7}],
    }
    texts(tmp_path, {"annotations.json": json.dumps(wrong)})
    with pytest.raises(InvalidInput, match=r"annotations\.json is not as COCO writes it: KeyError 7"):
        read_source(tmp_path)


@pytest.mark.parametrize(
    "segmentation",
    [{"size": [16, 20], "counts": [3]}, {"size": [2, 2], "counts": [2, 2]}, [[1.0]], {"counts": "?"}, [["a", "b"]], 7],
)
def test_a_segmentation_that_cannot_be_drawn_is_an_error_of_its_file(segmentation: object) -> None:
    with pytest.raises(InvalidInput, match=r"x\.json"):
        Outline("x.json", segmentation, (20, 16)).draw(Path(), 20, 16)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 1, 50, 1, 8, 8]], "far outside the picture of 20x16"),
        ([[1, 1, -21, 1, 8, 8]], "far outside"),
        ([[1, 1, float("nan"), 1, 8, 8]], "no number"),
        ({"size": [16, 21], "counts": [100, 236]}, "its run lengths are of 21x16, and the picture is 20x16"),
        ({"size": [20, 16], "counts": "b13=000000000^5"}, "its run lengths are of 16x20"),
    ],
)
def test_sizes_and_corners_are_checked_before_anything_is_drawn(segmentation: object, message: str) -> None:
    """What draws them reserves memory by them as they are."""
    with pytest.raises(InvalidInput, match=message):
        Outline("x.json", segmentation, (0, 0)).draw(Path(), 20, 16)


def test_an_outline_may_reach_a_little_beyond_its_picture() -> None:
    drawn = np.asarray(
        Outline("x.json", [[-4.0, -4.0, 10.0, -4.0, 10.0, 30.0, -4.0, 30.0]], (20, 16)).draw(Path(), 20, 16)
    )
    assert (drawn[:, :9] == 255).all()
    assert not drawn[:, 11:].any()


@pytest.mark.parametrize("annotations", [[7], [{"category_id": [], "image_id": 1}], 1])
def test_a_document_of_another_shape_is_refused_by_its_file(tmp_path: Path, annotations: object) -> None:
    photographs(tmp_path, "images/a.png")
    odd = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [], "annotations": annotations}
    texts(tmp_path, {"annotations.json": json.dumps(odd)})
    with pytest.raises(InvalidInput, match=r"annotations\.json is not as COCO writes it: .*every image needs id"):
        read_source(tmp_path)


def test_a_document_whose_parts_lie_too_deep_is_refused_by_its_file(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "bad/b.png")
    texts(tmp_path, {"annotations.json": "[" * 100_000})
    with pytest.raises(InvalidInput, match=r"annotations\.json is not JSON"):
        read_json(Tree.of(tmp_path), "annotations.json")


def test_a_picture_of_another_size_than_its_file_says_gets_no_mask() -> None:
    with pytest.raises(InvalidInput, match=r"x\.json says that the picture is 20x16, and it is 40x32"):
        Outline("x.json", [[1.0, 1.0, 8.0, 1.0, 8.0, 8.0]], (20, 16)).draw(Path(), 40, 32)
