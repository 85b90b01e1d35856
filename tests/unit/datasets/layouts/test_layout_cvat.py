"""CVAT's XML: tags before parts, outlines, its own order of run lengths."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import check_ellipse, left_out, photographs, texts
from tests.unit.datasets.layouts.test_layout_coco import check_outlines
from tests.unit.datasets.layouts.tools import DATUMARO


def test_labels_splits_and_outlines() -> None:
    source = read_source(DATUMARO / "cvat", Choices(keep_splits=True))
    assert source.layout == "cvat"
    assert {file.path: (file.label, file.split, file.kinds) for file in source.files} == {
        "images/a.png": ("good", "train", ()),
        "images/b.png": ("scratch", "train", ()),
        "images/c.png": ("hole", "test", ("hole", "scratch")),
        "images/e.png": ("hole", "train", ()),
        "images/f.png": ("good", "test", ()),
    }
    assert left_out(source) == {"nobody labelled it": {"images/d.png"}}
    check_outlines(source)


@pytest.mark.parametrize("degrees", [0, 30, 250.5])
def test_an_ellipse_is_an_outline(tmp_path: Path, degrees: float) -> None:
    (tmp_path / "images").mkdir()
    Image.new("L", (60, 40)).save(tmp_path / "images/a.png")
    turned = f' rotation="{degrees}"' if degrees else ""
    part = f'<ellipse label="hole" cx="31" cy="19.5" rx="17" ry="6"{turned}></ellipse>'
    image = f'<image id="0" name="a.png" width="60" height="40">{part}</image>'
    texts(tmp_path, {"annotations.xml": f"<annotations><version>1.1</version><meta></meta>{image}</annotations>"})
    (file,) = read_source(tmp_path).files
    (mask,) = file.masks
    check_ellipse(np.asarray(mask.draw(tmp_path, 60, 40)) > 0, (31, 19.5), (17, 6), degrees)


MASK = '<mask label="hole" rle="1,2,1" left="0" top="0" width="2" height="2"></mask>'
LARGE = f'<image id="0" name="a.png" width="1000000" height="1000000">{MASK}</image>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotations><meta>", "not XML"),
        ("<annotations><meta/><image/></annotations>", "not as CVAT writes it: KeyError 'name'"),
        (f"<annotations><meta/>{LARGE}</annotations>", "more than the 100000000 allowed"),
        ('<!DOCTYPE annotations><annotations><meta></meta><image name="a.png"/></annotations>', "document type"),
    ],
)
def test_what_is_not_cvats_is_refused_by_its_file(tmp_path: Path, content: str, message: str) -> None:
    photographs(tmp_path, "images/a.png")
    texts(tmp_path, {"annotations.xml": content.replace("<meta/>", "<meta></meta>")})
    with pytest.raises(InvalidInput, match=rf"annotations\.xml .*{message}"):
        read_source(tmp_path)
