"""DAGM 2007: Labels.txt names photographs and says which show a defect."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.dagm import CONTRADICTED, DAGM, UNLISTED
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows, texts
from tests.unit.datasets.layouts.ingested import ingested

NUMBERS = {"Train": range(576, 582), "Test": range(1, 7)}


def texture(root: Path, table: bool = True) -> Path:
    """Odd numbers show a defect."""
    for split, numbers in NUMBERS.items():
        photographs(root, *(f"{split}/{n:04}.PNG" for n in numbers))
        faulty = [n for n in numbers if n % 2]
        masks(root, *(f"{split}/Label/{n:04}_label.PNG" for n in faulty))
        lines = [f"{n}\t{n % 2}\t{n:04}.PNG\t0\t{f'{n:04}_label.PNG' if n % 2 else 0}" for n in numbers]
        if table:
            texts(root, {f"{split}/Label/Labels.txt": "\r\n".join(["\ufeff1", *lines, ""])})
    return root


def expected() -> dict[str, tuple[str, str, str, tuple[str, ...]]]:
    return {
        f"{split}/{n:04}.PNG": (
            "defect" if n % 2 else "good", split.lower(), "", (f"{split}/Label/{n:04}_label.PNG",) if n % 2 else (),
        )
        for split, numbers in NUMBERS.items()
        for n in numbers
    }  # fmt: skip


@pytest.mark.parametrize("table", [True, False])
def test_labels_splits_and_masks(tmp_path: Path, table: bool) -> None:
    source = read_source(texture(tmp_path / "Class1", table), Choices(keep_splits=True))
    assert (source.layout, source.good, source.left_out) == (DAGM.name, "good", ())
    assert rows(source) == expected()


def test_what_is_ingested(tmp_path: Path) -> None:
    dataset = ingested(texture(tmp_path / "Class1"))
    assert {source: line.label for source, line in dataset.lines.items()} == {
        path: label for path, (label, *_) in expected().items()
    }
    drawn = np.asarray(Image.open(tmp_path / "Class1/Train/Label/0577_label.PNG"))
    assert (dataset.mask("Train/0577.PNG") == drawn).all()


def test_the_table_and_the_files_that_do_not_agree(tmp_path: Path) -> None:
    root = texture(tmp_path / "Class1")
    photographs(root, "Test/0099.PNG")
    masks(root, "Test/Label/0002_label.PNG")
    said = left_out(read_source(root))
    assert said[UNLISTED] == {"Test/0099.PNG"}
    assert "Test/0002.PNG" in said[CONTRADICTED]


def test_a_row_that_is_none_is_named(tmp_path: Path) -> None:
    root = texture(tmp_path / "Class1")
    texts(root, {"Test/Label/Labels.txt": "1\n1\tyes\t0001.PNG\t0\t0\n"})
    with pytest.raises(InvalidInput, match=r"Test/Label/Labels.txt, line 2: .*0 or 1"):
        read_source(root)


def test_other_levels_say_what_to_give(tmp_path: Path) -> None:
    texture(tmp_path / "DAGM/Class1")
    texture(tmp_path / "DAGM/Class2")
    with pytest.raises(InvalidInput, match=f"give {tmp_path}/DAGM/Class1$"):
        read_source(tmp_path / "DAGM/Class1/Train")
    with pytest.raises(InvalidInput, match=r"data sets of their own \(dagm\): Class1, Class2; give one"):
        read_source(tmp_path / "DAGM")
