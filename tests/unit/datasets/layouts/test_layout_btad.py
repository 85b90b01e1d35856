"""BTAD as it lies on disk."""

from pathlib import Path

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from tests.unit.datasets.layouts.drawing import masks, photographs, rows


def test_ok_is_good_and_masks_have_any_ending(tmp_path: Path) -> None:
    photographs(tmp_path, "train/ok/0000.bmp", "test/ok/0001.bmp", "test/ko/0000.bmp", "test/ko/0001.bmp")
    masks(tmp_path, "ground_truth/ko/0000.png", "ground_truth/ko/0001.bmp")
    source = read_source(tmp_path, Choices(keep_splits=True))
    assert (source.layout, source.good) == ("btad", "ok")
    assert rows(source) == {
        "train/ok/0000.bmp": ("ok", "train", "", ()),
        "test/ok/0001.bmp": ("ok", "test", "", ()),
        "test/ko/0000.bmp": ("ko", "test", "", ("ground_truth/ko/0000.png",)),
        "test/ko/0001.bmp": ("ko", "test", "", ("ground_truth/ko/0001.bmp",)),
    }
    assert not source.left_out
