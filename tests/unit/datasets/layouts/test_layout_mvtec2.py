"""MVTec AD 2 as it lies on disk."""

from pathlib import Path

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows


def test_the_lights_of_a_part_are_one_group_and_private_sets_are_left_out(tmp_path: Path) -> None:
    photographs(tmp_path, "train/good/000_regular.png", "validation/good/000_regular.png")
    photographs(
        tmp_path,
        *(f"test_public/{kind}/000_{light}.png" for kind in ("good", "bad") for light in ("regular", "shift_1")),
    )
    photographs(tmp_path, "test_private/000_regular.png", "test_private_mixed/000_mixed.png")
    masks(tmp_path, *(f"test_public/ground_truth/bad/000_{light}_mask.png" for light in ("regular", "shift_1")))
    source = read_source(tmp_path, Choices(keep_splits=True))
    assert (source.layout, source.good) == ("mvtec2", "good")
    assert rows(source) == {
        "train/good/000_regular.png": ("good", "train", "train/good/000", ()),
        "validation/good/000_regular.png": ("good", "validation", "validation/good/000", ()),
        "test_public/good/000_regular.png": ("good", "test", "test_public/good/000", ()),
        "test_public/good/000_shift_1.png": ("good", "test", "test_public/good/000", ()),
        "test_public/bad/000_regular.png": (
            "bad", "test", "test_public/bad/000", ("test_public/ground_truth/bad/000_regular_mask.png",),
        ),
        "test_public/bad/000_shift_1.png": (
            "bad", "test", "test_public/bad/000", ("test_public/ground_truth/bad/000_shift_1_mask.png",),
        ),
    }  # fmt: skip
    assert left_out(source) == {
        "its folder says that it has no label": {"test_private/000_regular.png", "test_private_mixed/000_mixed.png"}
    }
