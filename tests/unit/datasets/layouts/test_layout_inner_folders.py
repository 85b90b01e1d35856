"""Folders in folders of which either can be the classes: refused until it is said."""

from pathlib import Path

import pytest

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import photographs, rows

INNER, OUTER = Choices(layout="inner-folders"), Choices(layout="folders")


@pytest.mark.parametrize(
    "paths",
    [
        ("camera1/good/a.png", "camera1/hole/b.png", "camera2/good/c.png", "camera2/hole/d.png"),
        ("scratch/left/a.png", "scratch/right/b.png", "hole/left/c.png", "hole/right/d.png"),
        ("a/train/ok/1.png", "a/test/ko/2.png", "b/ok/3.png", "b/ko/4.png", "c/ok/5.png", "c/ko/6.png"),
        ("May/ok/1.png", "June/hole/2.png"),
        ("photographs of May/good/a.png", "photographs of May/hole/b.png"),
        ("augmented/ok/a.png", "augmented/hole/b.png", "good/x/c.png", "hole/x/d.png"),
    ],
)  # fmt: skip
def test_both_readings_are_listed(tmp_path: Path, paths: tuple[str, ...]) -> None:
    photographs(tmp_path, *paths)
    with pytest.raises(InvalidInput, match=r"several ways: --layout folders: .*--layout inner-folders: "):
        read_source(tmp_path)
    assert {path: row[0] for path, row in rows(read_source(tmp_path, INNER)).items()} == {
        path: path.split("/")[-2] for path in paths
    }
    assert {path: row[0] for path, row in rows(read_source(tmp_path, OUTER)).items()} == {
        path: path.split("/")[0] for path in paths
    }


@pytest.mark.parametrize(
    "paths",
    [
        ("good/May/a.png", "good/June/b.png", "hole/May/c.png", "hole/June/d.png"),
        ("good/May/a.png", "good/June/b.png"),
        ("good/a.png", "defect/hole/b.png", "defect/scratch/c.png"),
    ],
)  # fmt: skip
def test_a_good_class_outside_settles_it(tmp_path: Path, paths: tuple[str, ...]) -> None:
    photographs(tmp_path, *paths)
    assert {path: row[0] for path, row in rows(read_source(tmp_path)).items()} == {
        path: path.split("/")[0] for path in paths
    }


@pytest.mark.parametrize("inner", ["good", "ok", "hole", "Hole"])
def test_the_name_of_a_class_below_another_folder_is_not_passed_over(tmp_path: Path, inner: str) -> None:
    photographs(tmp_path, "good/a.png", "hole/b.png", f"augmented/{inner}/c.png")
    with pytest.raises(InvalidInput, match=f"augmented holds the folder of a class, {inner}"):
        read_source(tmp_path)
    by_path = rows(read_source(tmp_path, Choices(layout="inner-folders", good="good")))
    assert by_path[f"augmented/{inner}/c.png"][0].lower() == inner.lower()
