"""VisA: kinds from the table, whose paths start above the object's folder; masks of class numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.visa import VISA
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows, texts
from tests.unit.datasets.layouts.ingested import ingested

ANOMALY = [f"Data/Images/Anomaly/{n:03}.JPG" for n in range(4)]
NORMAL = [f"Data/Images/Normal/{n:04}.JPG" for n in range(5)]
CELLS = ["melt", '"melt, scratch"', '"scratch,melt"', "bent"]


def candle(folder: Path, table: bool = True) -> Path:
    root = folder / "candle"
    photographs(root, *ANOMALY, *NORMAL)
    masks(root, *(mask_of(path) for path in ANOMALY), value=3)
    if table:
        lines = [f"candle/{path},normal," for path in NORMAL]
        lines += [f"candle/{path},{cell},candle/{mask_of(path)}" for path, cell in zip(ANOMALY, CELLS, strict=True)]
        texts(root, {"image_anno.csv": "\n".join(["image,label,mask", *lines]) + "\n"})
    return root


def mask_of(path: str) -> str:
    return path.replace("Images", "Masks").replace(".JPG", ".png")


def test_kinds_and_masks_are_those_of_the_table(tmp_path: Path) -> None:
    source = read_source(candle(tmp_path))
    assert source.layout == VISA.name
    assert source.good == "normal"
    labels = dict(zip(ANOMALY, ("melt", "melt", "scratch", "bent"), strict=True))
    assert rows(source) == dict.fromkeys(NORMAL, ("normal", "none", "", ())) | {
        path: (label, "none", "", (mask_of(path),)) for path, label in labels.items()
    }
    assert {file.path: file.kinds for file in source.files if file.kinds} == {
        ANOMALY[1]: ("melt", "scratch"), ANOMALY[2]: ("scratch", "melt"),
    }  # fmt: skip
    assert not source.left_out


def test_what_is_ingested(tmp_path: Path) -> None:
    root = candle(tmp_path)
    dataset = ingested(root)
    assert dataset.kinds() == dict.fromkeys(NORMAL, "") | dict(
        zip(ANOMALY, ("melt", "melt", "scratch", "bent"), strict=True)
    )
    assert {line.label for line in dataset.lines.values()} == {"good", "defect"}
    drawn = np.asarray(Image.open(root / mask_of(ANOMALY[0])))
    assert drawn.max() == 3
    assert (dataset.mask(ANOMALY[0]) == (drawn > 0) * 255).all()
    assert not dataset.mask(NORMAL[0]).any()


def test_a_renamed_folder_is_read_by_the_same_table(tmp_path: Path) -> None:
    root = candle(tmp_path).rename(tmp_path / "candles of May")
    assert rows(read_source(root))[ANOMALY[3]][0] == "bent"


def test_pictures_and_rows_without_a_partner_are_listed(tmp_path: Path) -> None:
    root = candle(tmp_path)
    photographs(root, "Data/Images/Normal/0099.JPG")
    (root / NORMAL[0]).unlink()
    said = left_out(read_source(root))
    assert said["the layout does not name it"] == {"Data/Images/Normal/0099.JPG"}
    assert f"candle/{NORMAL[0]}" in set().union(*said.values())


def test_without_the_table_kinds_are_not_told_apart(tmp_path: Path) -> None:
    source = read_source(candle(tmp_path, table=False))
    assert {file.label for file in source.files} == {"normal", "anomaly"}
    assert rows(source)[ANOMALY[0]] == ("anomaly", "none", "", (mask_of(ANOMALY[0]),))
    assert any("image_anno.csv" in note for note in source.notes)


def test_the_folder_below_says_what_to_give(tmp_path: Path) -> None:
    root = candle(tmp_path)
    for below in ("Data", "Data/Images"):
        with pytest.raises(InvalidInput, match=f"give {root}$"):
            read_source(root / below)


def test_all_objects_at_once_are_refused(tmp_path: Path) -> None:
    root = candle(tmp_path)
    root.rename(tmp_path / "pcb1")
    candle(tmp_path)
    texts(tmp_path, {"split_csv/1cls.csv": "object,split,label,image,mask\n"})
    with pytest.raises(InvalidInput, match=r"data sets of their own \(visa\): candle, pcb1.*; give one of them"):
        read_source(tmp_path)


def test_a_mask_that_is_not_there_is_named(tmp_path: Path) -> None:
    root = candle(tmp_path)
    (root / mask_of(ANOMALY[2])).unlink()
    with pytest.raises(InvalidInput, match=r"image_anno.csv, row 9: the mask candle/Data/Masks/Anomaly/002.png"):
        read_source(root)
