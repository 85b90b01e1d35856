"""KolektorSDD: the mask is the label, the item's folder the group."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.kolektor import KOLEKTOR
from defectory.datasets.layouts.label_by_mask import NO_MASK, UNREADABLE
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows
from tests.unit.datasets.layouts.ingested import ingested

ITEMS = ("kos01", "kos02", "kos03", "kos04")


def items(root: Path) -> Path:
    """Four items of three photographs; the second of each shows a defect."""
    for item in ITEMS:
        photographs(root, *(f"{item}/Part{n}.jpg" for n in range(3)))
        masks(root, f"{item}/Part1_label.bmp")
        masks(root, f"{item}/Part0_label.bmp", f"{item}/Part2_label.bmp", value=0)
    return root


def test_a_black_mask_means_good(tmp_path: Path) -> None:
    source = read_source(items(tmp_path))
    assert (source.layout, source.good, source.left_out) == (KOLEKTOR.name, "good", ())
    assert rows(source) == {
        f"{item}/Part{n}.jpg": ("defect" if n == 1 else "good", "none", item, (f"{item}/Part{n}_label.bmp",))
        for item in ITEMS
        for n in range(3)
    }


def test_one_faulty_pixel_is_a_defect(tmp_path: Path) -> None:
    mask = np.zeros((16, 16), np.uint8)
    mask[15, 3] = 1
    Image.fromarray(mask).save(items(tmp_path) / "kos01/Part0_label.bmp")
    assert rows(read_source(tmp_path))["kos01/Part0.jpg"][0] == "defect"


def test_what_is_ingested(tmp_path: Path) -> None:
    dataset = ingested(items(tmp_path))
    assert len(dataset.lines) == 12
    assert {line.group for line in dataset.lines.values()} == set(ITEMS)
    for item in ITEMS:
        assert len({dataset.lines[f"{item}/Part{n}.jpg"].split for n in range(3)}) == 1
    drawn = np.asarray(Image.open(tmp_path / "kos02/Part1_label.bmp"))
    assert (dataset.mask("kos02/Part1.jpg") == drawn).all()
    assert {source for source in dataset.lines if dataset.has_mask(source)} == {f"{item}/Part1.jpg" for item in ITEMS}


def test_photographs_without_a_readable_mask_are_left_out(tmp_path: Path) -> None:
    root = items(tmp_path)
    (root / "kos01/Part0_label.bmp").unlink()
    (root / "kos02/Part0_label.bmp").write_bytes(b"BM no mask")
    said = left_out(read_source(root))
    assert said[NO_MASK] == {"kos01/Part0.jpg"}
    assert "kos02/Part0.jpg" in said[UNREADABLE]


def test_one_item_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"one item of KolektorSDD: give {tmp_path}$"):
        read_source(items(tmp_path) / "kos01")


def test_the_folder_above_says_what_to_give(tmp_path: Path) -> None:
    items(tmp_path / "KolektorSDD")
    with pytest.raises(InvalidInput, match=f"give one of them, e.g. {tmp_path}/KolektorSDD"):
        read_source(tmp_path)
