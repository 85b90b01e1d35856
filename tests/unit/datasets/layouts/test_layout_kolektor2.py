"""KolektorSDD2: the mask is the label; train and test are folders."""

from pathlib import Path

import numpy as np
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.kolektor2 import KOLEKTOR2
from defectory.datasets.layouts.label_by_mask import NO_MASK
from defectory.datasets.layouts.source import Choices
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows
from tests.unit.datasets.layouts.ingested import ingested

TRAIN, TEST = range(10000, 10008), range(20000, 20004)
NAMES = [f"train/{n}" for n in TRAIN] + [f"test/{n}" for n in TEST]


def surfaces(root: Path) -> Path:
    """Every other photograph shows a defect."""
    photographs(root, *(f"{name}.png" for name in NAMES))
    masks(root, *(f"{name}_GT.png" for name in NAMES[::2]))
    masks(root, *(f"{name}_GT.png" for name in NAMES[1::2]), value=0)
    return root


def label(name: str) -> str:
    return "defect" if name in NAMES[::2] else "good"


def test_labels_are_the_masks_and_splits_the_folders(tmp_path: Path) -> None:
    source = read_source(surfaces(tmp_path), Choices(keep_splits=True))
    assert (source.layout, source.good, source.left_out) == (KOLEKTOR2.name, "good", ())
    assert rows(source) == {f"{name}.png": (label(name), name.split("/")[0], "", (f"{name}_GT.png",)) for name in NAMES}
    assert {file.split for file in read_source(tmp_path).files} == {"none"}


def test_what_is_ingested(tmp_path: Path) -> None:
    dataset = ingested(surfaces(tmp_path))
    assert dataset.kinds() == {f"{name}.png": "defect" if label(name) == "defect" else "" for name in NAMES}
    drawn = np.asarray(Image.open(tmp_path / f"{NAMES[0]}_GT.png"))
    assert (dataset.mask(f"{NAMES[0]}.png") == drawn).all()
    assert not dataset.mask(f"{NAMES[1]}.png").any()


def test_one_split_alone_is_read_as_that_split(tmp_path: Path) -> None:
    source = read_source(surfaces(tmp_path) / "train", Choices(keep_splits=True))
    assert rows(source)["10000.png"] == ("defect", "train", "", ("10000_GT.png",))
    assert len(source.files) == len(TRAIN)


def test_a_photograph_without_a_mask_is_left_out(tmp_path: Path) -> None:
    (surfaces(tmp_path) / "train/10002_GT.png").unlink()
    assert left_out(read_source(tmp_path))[NO_MASK] == {"train/10002.png"}
