"""Label Studio's JSON and JSON-MIN: who agrees, who disagrees, who said nothing."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.brush import Brush
from defectory.datasets.layouts.source import MaskSource
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import check_ellipse, left_out, texts
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


@pytest.mark.parametrize("form", ["JSON_parts", "JSON_MIN_parts"])
def test_parts_name_labels_and_make_masks(form: str) -> None:
    source = read_source(LABEL_STUDIO / form)
    assert {file.path: (file.label, len(file.masks)) for file in source.files} == {
        "a.png": ("hole", 1),
        "b.png": ("scratch", 2),
        "c.png": ("scratch", 0),  # a rectangle: it lies around more than the defect
        "d.png": ("good", 0),
    }
    masks = {file.path: [drawn(mask) for mask in file.masks] for file in source.files}
    polygon = np.zeros((16, 20), bool)
    polygon[4:12, 2:10] = True  # corners at 10 and 50% of 20, 25 and 75% of 16
    first, second = np.zeros((2, 16, 20), bool)
    first[4:8, 5:9] = True
    second[12, 3:15] = True
    assert np.array_equal(masks["a.png"], [polygon])
    assert np.array_equal(masks["b.png"], [first, second])


def test_an_ellipse_is_an_outline(tmp_path: Path) -> None:
    Image.new("L", (80, 40)).save(tmp_path / "a.png")
    value = {"x": 50, "y": 45, "radiusX": 20, "radiusY": 15, "rotation": 30, "ellipselabels": ["hole"]}
    result = {"type": "ellipselabels", "original_width": 80, "original_height": 40, "value": value}
    task = {"id": 1, "data": {"image": "/data/upload/1/a.png"}, "annotations": [{"result": [result]}]}
    texts(tmp_path, {"export.json": json.dumps([task])})
    (file,) = read_source(tmp_path).files
    (mask,) = file.masks
    check_ellipse(np.asarray(mask.draw(tmp_path, 80, 40)) > 0, (40, 18), (16, 6), 30)


def drawn(mask: MaskSource) -> np.ndarray:
    return np.asarray(mask.draw(LABEL_STUDIO, 20, 16)) > 0


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_what_a_brush_painted(width: int, height: int, data: st.DataObject) -> None:
    """Runs of any lengths, written down bit by bit."""
    alpha = data.draw(st.lists(st.sampled_from((0, 255)), min_size=width * height, max_size=width * height))
    words = [word for value in alpha for word in (value, value, value, value)]
    bits = f"{len(words):032b}{7:05b}" + "".join(f"{length - 1:04b}" for length in (3, 4, 8, 16))
    at = 0
    while at < len(words):
        count = data.draw(st.integers(1, min(8, len(words) - at)))
        run = words[at : at + count]
        if len(set(run)) == 1 and data.draw(st.booleans()):
            bits += f"1{2:02b}{count - 1:08b}{run[0]:08b}"
        else:
            bits += f"0{0:02b}{count - 1:03b}" + "".join(f"{word:08b}" for word in run)
        at += count
    bits += "0" * (-len(bits) % 8)
    runs = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    mask = np.asarray(Brush("x.json", runs, (width, height)).draw(Path(), width, height))
    assert np.array_equal(mask, np.array(alpha, np.uint8).reshape(height, width))
    for broken in (runs[:-1], runs[:3], [*runs[:3], runs[3] ^ 1, *runs[4:]], [*runs[:-1], 256]):
        with pytest.raises(InvalidInput, match=r"x\.json holds a painted mask that cannot be read"):
            Brush("x.json", broken, (width, height)).draw(Path(), width, height)
    with pytest.raises(InvalidInput, match="painted on a picture of"):
        Brush("x.json", runs, (width, height)).draw(Path(), width + 1, height)


@pytest.mark.parametrize("runs", [10**12, {"x": 1}, None])
def test_run_lengths_of_a_brush_are_a_list(runs: Any) -> None:
    with pytest.raises(InvalidInput, match=r"cannot be read: its run lengths are no list"):
        Brush("x.json", runs, (4, 4)).draw(Path(), 4, 4)


@pytest.mark.parametrize(
    "task", [{"annotations": [], "id": 1}, {"data": {"image": "a.png"}, "annotations": None, "id": 1}]
)
def test_a_task_of_another_shape_is_refused_by_its_number(tmp_path: Path, task: dict[str, Any]) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    good = {"id": 1, "data": {"image": "a.png"}, "annotations": []}
    texts(tmp_path, {"export.json": json.dumps([good, task])})
    with pytest.raises(InvalidInput, match=r"export\.json, task 2 is not as Label Studio writes it"):
        read_source(tmp_path)
