"""MVTec AD and LOCO as they lie on disk."""

from pathlib import Path

import pytest

from defectory.datasets.ingest import ingest
from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.imaging import decode
from defectory.storage.memory import MemoryStore
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows

SPLITS = Choices(keep_splits=True)


def category(root: Path) -> Path:
    photographs(root, "train/good/000.png", "train/good/001.png", "test/good/000.png")
    photographs(root, "test/scratch/000.png", "test/scratch/001.png", "test/hole/000.png")
    masks(root, "ground_truth/scratch/000_mask.png", "ground_truth/scratch/001_mask.png")
    masks(root, "ground_truth/hole/000_mask.png")
    return root


def test_masks_belong_to_the_tested_photographs_of_their_kind(tmp_path: Path) -> None:
    source = read_source(category(tmp_path), SPLITS)
    assert (source.layout, source.good) == ("mvtec", "good")
    assert rows(source) == {
        "train/good/000.png": ("good", "train", "", ()),
        "train/good/001.png": ("good", "train", "", ()),
        "test/good/000.png": ("good", "test", "", ()),
        "test/scratch/000.png": ("scratch", "test", "", ("ground_truth/scratch/000_mask.png",)),
        "test/scratch/001.png": ("scratch", "test", "", ("ground_truth/scratch/001_mask.png",)),
        "test/hole/000.png": ("hole", "test", "", ("ground_truth/hole/000_mask.png",)),
    }
    assert not source.left_out


def test_the_categorys_splits_are_pooled_and_it_is_said(tmp_path: Path) -> None:
    source = read_source(category(tmp_path))
    assert {split for _, split, _, _ in rows(source).values()} == {"none"}
    assert any("train 2, test 4" in note and "--keep-splits" in note for note in source.notes)


def loco(root: Path) -> Path:
    photographs(root, *(f"train/good/{n:03}.png" for n in range(3)), "validation/good/000.png", "test/good/000.png")
    photographs(
        root, *(f"test/{kind}/{n:03}.png" for kind in ("logical_anomalies", "structural_anomalies") for n in (0, 1))
    )
    masks(root, "ground_truth/logical_anomalies/000/000.png", "ground_truth/logical_anomalies/000/001.png", value=250)
    masks(root, "ground_truth/logical_anomalies/001/000.png", "ground_truth/structural_anomalies/000/000.png", value=7)
    return root


def test_loco_has_validation_images_and_several_masks_an_image(tmp_path: Path) -> None:
    read = rows(read_source(loco(tmp_path), SPLITS))
    several = "ground_truth/logical_anomalies/000/000.png", "ground_truth/logical_anomalies/000/001.png"
    assert read["validation/good/000.png"] == ("good", "validation", "", ())
    assert read["test/logical_anomalies/000.png"] == ("logical_anomalies", "test", "", several)
    assert read["test/structural_anomalies/000.png"][3] == ("ground_truth/structural_anomalies/000/000.png",)
    assert read["test/structural_anomalies/001.png"][3] == read["train/good/000.png"][3] == ()
    assert len(read) == 9


def test_the_masks_of_an_image_are_united(tmp_path: Path) -> None:
    store = MemoryStore()
    photographs(loco(tmp_path), *(f"test/logical_anomalies/{n:03}.png" for n in range(2, 9)))
    done = ingest(tmp_path, store, "loco")
    line = next(
        x for x in read_manifest(store, done.manifest_uri) if x.origin.source == "test/logical_anomalies/000.png"
    )
    united = decode(store.get(store.key(line.mask.uri)))
    parts = [decode((tmp_path / f"ground_truth/logical_anomalies/000/00{n}.png").read_bytes()) for n in (0, 1)]
    expected = [any(p.getpixel((x, y)) for p in parts) for y in range(16) for x in range(16)]
    assert [bool(united.getpixel((x, y))) for y in range(16) for x in range(16)] == expected


def test_a_mask_without_its_photograph_is_left_out_aloud(tmp_path: Path) -> None:
    masks(category(tmp_path), "ground_truth/scratch/007_mask.png")
    assert left_out(read_source(tmp_path)) == {
        "a mask of which no photograph is there": {"ground_truth/scratch/007_mask.png"}
    }


def test_the_folder_above_the_categories_is_refused_with_one_of_them(tmp_path: Path) -> None:
    category(tmp_path / "bottle")
    category(tmp_path / "cable")
    with pytest.raises(
        InvalidInput, match=r"holds data sets of their own \(mvtec\): bottle, cable; give one of them, e.g. .*bottle"
    ):
        read_source(tmp_path)


def test_kept_splits_that_train_no_defect_are_an_error(tmp_path: Path) -> None:
    photographs(category(tmp_path), *(f"train/good/{n:03}.png" for n in range(2, 8)))
    with pytest.raises(InvalidInput, match="leave nothing of defect to train on"):
        ingest(tmp_path, MemoryStore(), "x", choices=SPLITS)
