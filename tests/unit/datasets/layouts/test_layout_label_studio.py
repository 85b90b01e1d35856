"""Label Studio's JSON and JSON-MIN: who agrees, who disagrees, who said nothing."""

from pathlib import Path
from shutil import copytree

import pytest

from defectory.datasets.layouts import read_source
from tests.unit.datasets.layouts.drawing import left_out
from tests.unit.datasets.layouts.tools import LABEL_STUDIO


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN"])
@pytest.mark.parametrize("with_digits", [False, True])
def test_those_who_agree_are_one_and_those_who_disagree_are_named(tmp_path: Path, form: str, with_digits: bool) -> None:
    root = copytree(LABEL_STUDIO / form, tmp_path / "export")
    prefix = "1f2a3b4c-" if with_digits else ""
    for picture in list(root.glob("*.png")):
        picture.rename(root / f"{prefix}{picture.name}")
    source = read_source(root)
    assert source.layout == "label-studio"
    assert {file.path.removeprefix(prefix): (file.label, file.kinds) for file in source.files} == {
        "a.png": ("good", ()),
        "b.png": ("scratch", ()),
        "c.png": ("hole", ("hole", "scratch")),
        "e.png": ("good", ()),
    }
    reasons = left_out(source)
    assert reasons["those who labelled it disagree"] == {f"{prefix}f.png"}
    assert {f"{prefix}d.png", f"{prefix}g.png"} <= reasons["nobody labelled it"]
    assert f"{prefix}h.png" in set().union(*reasons.values())
    assert any("good by person1@example.com, hole by person2@example.com" in note for note in source.notes)
