"""Class folders in split folders."""

from pathlib import Path

import pytest

from defectory.datasets.ingest import ingest
from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.storage.memory import MemoryStore
from tests.unit.datasets.layouts.drawing import left_out, masks, photographs, rows

SPLITS = Choices(keep_splits=True)


def parted(root: Path, validation: str = "val", classes: tuple[str, ...] = ("good", "scratch"), each: int = 4) -> Path:
    for split in ("train", validation, "test"):
        photographs(root, *(f"{split}/{label}/{split}{n}.png" for label in classes for n in range(each)))
    return root


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val", "dev", "val_images"])
@pytest.mark.parametrize("classes", [("good", "scratch"), ("hole", "scratch")])
def test_classes_are_labels_and_no_split_is_lost(tmp_path: Path, validation: str, classes: tuple[str, ...]) -> None:
    source = read_source(parted(tmp_path, validation, classes, each=1), SPLITS)
    assert source.layout == "split-folders"
    assert rows(source) == {
        f"{folder}/{label}/{folder}0.png": (label, split, "", ())
        for folder, split in (("train", "train"), (validation, "validation"), ("test", "test"))
        for label in classes
    }
    assert not source.left_out


def test_splits_are_pooled_unless_they_are_to_be_kept(tmp_path: Path) -> None:
    store = MemoryStore()
    pooled = read_manifest(store, ingest(parted(tmp_path), store, "pooled").manifest_uri)
    kept = read_manifest(store, ingest(tmp_path, store, "kept", choices=SPLITS).manifest_uri)
    assert {line.split for line in kept if line.origin.source.startswith("val/")} == {"validation"}
    assert {line.split for line in kept if line.origin.source.startswith("test/")} == {"test"}
    assert len({line.split for line in pooled if line.origin.source.startswith("test/")}) > 1
    assert len(kept) == len(pooled) == 24


def test_a_label_that_the_kept_splits_do_not_train_is_an_error(tmp_path: Path) -> None:
    photographs(parted(tmp_path), *(f"test/hole/{n}.png" for n in range(4)))
    with pytest.raises(InvalidInput, match="leave nothing of hole to train on"):
        ingest(tmp_path, MemoryStore(), "x", labels="kinds", choices=SPLITS)


def test_a_part_that_the_kept_splits_both_train_and_test_is_counted(tmp_path: Path) -> None:
    files = [str(path.relative_to(tmp_path)) for path in parted(tmp_path / "photos").rglob("*.png")]
    files = [file.removeprefix("photos/") for file in files]
    same = {"test/good/test0.png": "a", "train/good/train0.png": "a"}
    (tmp_path / "groups.csv").write_text(
        "\n".join(["image,group", *(f"{file},{same.get(file, file)}" for file in files)])
    )
    done = ingest(tmp_path / "photos", MemoryStore(), "x", choices=SPLITS, groups_csv=tmp_path / "groups.csv")
    assert done.card["straddling"] == 1
    assert done.counts["test"] == {"good": 4, "defect": 4}


def test_what_lies_beside_the_splits_is_left_out_aloud(tmp_path: Path) -> None:
    photographs(parted(tmp_path, each=1), "extra/x.png", "test/y.png", "z.png", "test/unlabeled/u.png")
    (tmp_path / "train/good/notes.txt").write_text("x")
    masks(tmp_path, "masks/scratch/test0.png")
    source = read_source(tmp_path, SPLITS)
    assert rows(source)["test/scratch/test0.png"][3] == ("masks/scratch/test0.png",)
    assert left_out(source) == {
        "it lies beside the split folders": {"extra/x.png"},
        "no folder above it names a class": {"test/y.png", "z.png"},
        "its folder says that it has no label": {"test/unlabeled/u.png"},
        "not a picture by its ending": {"train/good/notes.txt"},
    }


def test_the_folder_above_such_sets_is_refused(tmp_path: Path) -> None:
    parted(tmp_path / "line1")
    parted(tmp_path / "line2")
    with pytest.raises(InvalidInput, match=r"holds data sets of their own \(split-folders\): line1, line2"):
        read_source(tmp_path)


def test_a_mistyped_split_is_named(tmp_path: Path) -> None:
    photographs(tmp_path, *(f"{folder}/{label}/{n}.png" for folder in ("train", "tset") for label in ("good", "hole")
                            for n in range(2)))  # fmt: skip
    (tmp_path / "tset/hole").rename(tmp_path / "tset/dent")
    with pytest.raises(InvalidInput, match=r"Choose one; or is tset to be called test\?$"):
        read_source(tmp_path)
