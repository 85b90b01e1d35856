"""Magnetic tiles as published: kinds by folder, a mask of the photograph's name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.magnetic_tile import MAGNETIC_TILE
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows
from tests.unit.datasets.layouts.ingested import ingested

KINDS = ("Blowhole", "Crack", "Free")
NUMBERS = range(100, 104)


def name(kind: str, number: int) -> str:
    return f"MT_{kind}/Imgs/exp1_num_{number}"


def tiles(root: Path) -> Path:
    for kind in KINDS:
        for number in NUMBERS:
            photographs(root, f"{name(kind, number)}.jpg")
            masks(root, f"{name(kind, number)}.png", value=0 if kind == "Free" else 255)
    return root


def test_free_is_good_and_the_png_is_the_mask(tmp_path: Path) -> None:
    source = read_source(tiles(tmp_path))
    assert (source.layout, source.good, source.left_out) == (MAGNETIC_TILE.name, "Free", ())
    assert rows(source) == {
        f"{name(kind, n)}.jpg": (kind, "none", "", (f"{name(kind, n)}.png",)) for kind in KINDS for n in NUMBERS
    }


def test_what_is_ingested(tmp_path: Path) -> None:
    dataset = ingested(tiles(tmp_path), labels="kinds")
    assert {source.split("/")[0].removeprefix("MT_"): line.label for source, line in dataset.lines.items()} == {
        kind: kind for kind in KINDS
    }
    assert len(dataset.lines) == len(KINDS) * len(NUMBERS)
    drawn = np.asarray(Image.open(tmp_path / f"{name('Crack', 100)}.png"))
    assert (dataset.mask(f"{name('Crack', 100)}.jpg") == drawn).all()
    assert not any(dataset.has_mask(f"{name('Free', n)}.jpg") for n in NUMBERS)


def test_a_mask_without_its_photograph_is_said(tmp_path: Path) -> None:
    (tiles(tmp_path) / f"{name('Crack', 100)}.jpg").unlink()
    assert set().union(*left_out(read_source(tmp_path)).values()) == {f"{name('Crack', 100)}.png"}


def test_one_kind_alone_says_what_to_give(tmp_path: Path) -> None:
    tiles(tmp_path)
    for below in ("MT_Crack", "MT_Crack/Imgs"):
        with pytest.raises(InvalidInput, match=f"one kind of magnetic tiles: give {tmp_path}$"):
            read_source(tmp_path / below)


def test_the_folder_above_says_what_to_give(tmp_path: Path) -> None:
    tiles(tmp_path / "Magnetic-Tile-Defect")
    with pytest.raises(InvalidInput, match=f"give one of them, e.g. {tmp_path}/Magnetic-Tile-Defect"):
        read_source(tmp_path)
