"""Class folders, and what people keep among them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import SIDE, left_out, masks, photographs, rows, texts


def test_folders_are_labels_at_any_depth_and_containers_and_splits_are_none(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "good/2026-01/b.png", "Images/hole/c.png", "scratch/train/d.png")
    source = read_source(tmp_path, Choices(keep_splits=True))
    assert (source.layout, source.good) == ("folders", "good")
    assert rows(source) == {
        "good/a.png": ("good", "none", "", ()),
        "good/2026-01/b.png": ("good", "none", "", ()),
        "Images/hole/c.png": ("hole", "none", "", ()),
        "scratch/train/d.png": ("scratch", "train", "", ()),
    }
    assert any("--layout inner-folders" in note and "2026-01" in note for note in source.notes)


@pytest.mark.parametrize(
    ("photograph", "mask"),
    [
        ("hole/x.png", "hole/x_mask.png"), ("hole/x.jpg", "hole/x_label.bmp"), ("hole/x.png", "hole/x_GT.png"),
        ("hole/x.jpg", "hole/x.png"), ("hole/x.jpg", "hole/mask_x.png"), ("hole/x.jpg", "hole/masks/x.png"),
        ("hole/x.jpg", "masks/hole/x.png"), ("hole/x.jpg", "masks/x_mask.png"), ("hole/x.jpg", "ground_truth/x.png"),
        ("hole/images/x.jpg", "hole/labels/x.png"), ("images/hole/x.jpg", "annotations/hole/x.png"),
        ("hole/x.jpg", "hole_anno/x.png"), ("hole/x.jpg", "hole/anno/x.png"), ("hole/x.png", "hole/x-mask-1.png"),
        ("hole/x.png", "hole_masks/x.png"), ("hole/x.png", "GT_hole/x.png"), ("hole/x.png", "hole/x (mask).png"),
        ("hole/x.jpg", "annotations/x.png"), ("hole/x.png", "masks/hole/x/000.png"),
    ],
)  # fmt: skip
def test_a_mask_is_no_photograph_and_no_label(tmp_path: Path, photograph: str, mask: str) -> None:
    photographs(tmp_path, photograph, photograph.replace("hole", "good").replace("x.", "y."))
    masks(tmp_path, mask)
    read = rows(read_source(tmp_path))
    assert read.pop(photograph) == ("hole", "none", "", (mask,))
    assert [(label, of_masks) for label, _, _, of_masks in read.values()] == [("good", ())]


def test_a_black_mask_belongs_to_a_good_part(tmp_path: Path) -> None:
    photographs(tmp_path, "good/x.jpg", "good/y.jpg", "hole/z.jpg")
    masks(tmp_path, "good/x.png", "good/y.png", value=0)
    masks(tmp_path, "hole/z.png")
    with pytest.raises(InvalidInput, match="--masks"):  # black alone may be a photograph in the dark
        read_source(tmp_path)
    read = rows(read_source(tmp_path, Choices(masks="all")))
    assert {path: of_masks for path, (_, _, _, of_masks) in read.items()} == {
        "good/x.jpg": ("good/x.png",), "good/y.jpg": ("good/y.png",), "hole/z.jpg": ("hole/z.png",),
    }  # fmt: skip


@pytest.mark.parametrize("other", ["hole/x.jpg", "hole/x_label.png", "hole/label_x.png"])
def test_a_photograph_that_is_called_like_a_mask_stops_it_until_it_is_said_what_it_is(
    tmp_path: Path, other: str
) -> None:
    photographs(tmp_path, "good/y.png", "hole/x.png", other)
    with pytest.raises(InvalidInput, match=r"--masks all .* --masks none"):
        read_source(tmp_path)
    assert set(rows(read_source(tmp_path, Choices(masks="none")))) == {"good/y.png", "hole/x.png", other}
    assert len(rows(read_source(tmp_path, Choices(masks="all")))) == 2


def test_files_of_two_values_without_photographs_of_their_name_stop_it(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "hole/b.png")
    masks(tmp_path, "kind/c.png", "kind/d.png")
    with pytest.raises(InvalidInput, match=r"the files of kind \(2\) hold few values, as masks do.*--masks"):
        read_source(tmp_path)
    assert {label for label, *_ in rows(read_source(tmp_path, Choices(masks="none"))).values()} == {
        "good", "hole", "kind",
    }  # fmt: skip
    assert left_out(read_source(tmp_path, Choices(masks="all"))) == {
        "a mask of which no photograph is there": {"kind/c.png", "kind/d.png"}
    }


def test_masks_among_photographs_with_names_that_say_nothing_stop_it(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "hole/a1.png", "hole/b1.png")
    masks(tmp_path, "hole/a2.png", "hole/b2.png")
    with pytest.raises(InvalidInput, match=r"files among photographs \(2\) hold few values"):
        read_source(tmp_path)


def test_photographs_that_are_all_of_two_values_are_photographs(tmp_path: Path) -> None:
    masks(tmp_path, "good/a.png", "hole/a.png")
    assert {label for label, *_ in rows(read_source(tmp_path)).values()} == {"good", "hole"}


@pytest.mark.parametrize("mode", ["1", "P", "classes", "jpeg"])
def test_masks_are_seen_however_they_are_stored(tmp_path: Path, mode: str) -> None:
    photographs(tmp_path, "good/a.jpg", "hole/b.jpg")
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[4:9, 4:9] = {"classes": 3, "P": 7}.get(mode, 255)
    pixels[10:12, 10:12] = {"classes": 2, "P": 5}.get(mode, 255)
    image = Image.fromarray(pixels, "P") if mode == "P" else Image.fromarray(pixels)
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    path = tmp_path / ("seen/b.jpg" if mode == "jpeg" else "seen/b.png")
    path.parent.mkdir()
    (image.convert("1") if mode == "1" else image).save(path)
    read = rows(read_source(tmp_path))
    assert read["hole/b.jpg"][3] == (str(path.relative_to(tmp_path)),)


@pytest.mark.parametrize("word", ["ok", "OK", "Pass", "normal", "No-Defect", "good", "MT_Free"])
def test_words_for_good_are_proposed(tmp_path: Path, word: str) -> None:
    photographs(tmp_path, f"{word}/a.png", "hole/b.png")
    assert read_source(tmp_path).good == ("" if word == "MT_Free" else word)
    assert read_source(tmp_path, Choices(good="hole")).good == "hole"


def test_0_is_good_beside_1_only(tmp_path: Path) -> None:
    photographs(tmp_path, "0/a.png", "1/b.png")
    source = read_source(tmp_path)
    assert source.good == "0"
    assert any("--good 1" in note for note in source.notes)
    photographs(tmp_path, "2/c.png")
    assert read_source(tmp_path).good == ""


def test_two_words_for_good_are_refused_and_a_label_that_is_not_there_too(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "ok/b.png", "hole/c.png")
    with pytest.raises(InvalidInput, match="choose one with --good: good, ok"):
        read_source(tmp_path)
    with pytest.raises(InvalidInput, match="no photograph is labelled 'fine'"):
        read_source(tmp_path, Choices(good="fine"))


def test_folders_of_nothing_and_formats_that_are_not_read_are_left_out_aloud(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "hole/b.png", "no_label/c.png", "_unlabeled/d.png", "e.png")
    (tmp_path / "hole/f.webp").write_bytes(b"RIFF")
    assert left_out(read_source(tmp_path)) == {
        "its folder says that it has no label": {"no_label/c.png", "_unlabeled/d.png"},
        "no folder above it names a class": {"e.png"},
        "a picture in a format that is not read: store it as PNG, JPEG, BMP or TIFF": {"hole/f.webp"},
    }


def test_labels_that_are_spelled_alike_are_one(tmp_path: Path) -> None:
    photographs(
        tmp_path, "good/a.png", "Good/b.png", "good/c.png", "deep-cut/d.png", "Deep_Cut/e.png", "deep-cut/f.png"
    )
    photographs(tmp_path, "+1/g.png", "-1/h.png")
    source = read_source(tmp_path)
    assert {label for label, *_ in rows(source).values()} == {"good", "deep-cut", "+1", "-1"}
    assert {"'Good' (1) is taken for 'good'", "'Deep_Cut' (1) is taken for 'deep-cut'"} <= set(source.notes)
    assert source.good == "good"


def test_a_soft_mask_in_a_folder_that_is_called_after_its_photographs_is_one(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "hole/b.png", "hole_mask/b.png", "wrong_label/c.png")
    assert {path: row[0] for path, row in rows(read_source(tmp_path)).items()} == {
        "good/a.png": "good", "hole/b.png": "hole", "wrong_label/c.png": "wrong_label",
    }  # fmt: skip


def test_the_mask_of_a_photograph_that_is_gone_is_not_given_to_another(tmp_path: Path) -> None:
    photographs(tmp_path, "good/000.png", "hole/001.png")
    masks(tmp_path, "ground_truth/hole/000.png", "ground_truth/hole/001.png")
    source = read_source(tmp_path)
    assert rows(source)["good/000.png"][3] == ()
    assert left_out(source) == {"a mask of which no photograph is there": {"ground_truth/hole/000.png"}}


def test_a_table_that_disagrees_with_the_folders_is_said(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "hole/b.png", "hole/c.png")
    texts(tmp_path, {"list.csv": "image,label\ngood/a.png,hole\nhole/b.png,hole\nhole/c.png,good\n"})
    assert (
        "2 photographs lie in a folder that is called after another label, e.g. good/a.png is labelled hole"
        in read_source(tmp_path).notes
    )


def test_photographs_of_one_name_and_two_sizes_are_no_mask_of_one_another(tmp_path: Path) -> None:
    photographs(tmp_path, "good/0.png", "good/0.jpg", "hole/1.png", "hole/1.jpg")
    for path in tmp_path.rglob("*.jpg"):
        Image.open(path).resize((SIDE * 2, SIDE)).save(path, quality=95)
    assert {path: row[3] for path, row in rows(read_source(tmp_path)).items()} == dict.fromkeys(
        ["good/0.jpg", "good/0.png", "hole/1.jpg", "hole/1.png"], ()
    )
    photographs(tmp_path, "good/0.jpg", "hole/1.jpg")  # of one size: either could be the other's
    with pytest.raises(InvalidInput, match="which of them is the mask of the other is not seen"):
        read_source(tmp_path)


def test_a_folder_of_black_files_beside_photographs_stops_it(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.jpg", "hole/b.jpg")
    masks(tmp_path, "blank/a.png", "blank/c.png", value=0)
    with pytest.raises(InvalidInput, match=r"the files of blank \(2\) are black all over.*--masks"):
        read_source(tmp_path)
    assert {label for label, *_ in rows(read_source(tmp_path, Choices(masks="all"))).values()} == {"good", "hole"}


def test_masks_that_were_given_without_their_photographs_stop_it(tmp_path: Path) -> None:
    masks(tmp_path, "named/hole/a_mask.png", "ground_truth/hole/a.png", "thresholded/hole/a.png")
    for folder in ("named", "ground_truth"):
        with pytest.raises(InvalidInput, match="give the folder of their photographs"):
            read_source(tmp_path / folder)
    assert (
        "all files that were looked at hold few values, as masks do, e.g. hole/a.png"
        in read_source(tmp_path / "thresholded").notes
    )


def test_masks_beside_photographs_without_a_class_are_no_class(tmp_path: Path) -> None:
    photographs(tmp_path, "train/img/a.jpg", "train/img/b.jpg")
    masks(tmp_path, "train/ann/a.png", "train/ann/b.png")
    with pytest.raises(InvalidInput, match=r"4 pictures lie in train/ann, train/img"):
        read_source(tmp_path)
    masks(tmp_path, "train/areas/a.png", "train/areas/b.png")
    with pytest.raises(InvalidInput, match="the files of train/areas"):
        read_source(tmp_path)


def test_a_mask_whose_name_several_photographs_have_is_called_so(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.jpg", "hole/a.jpg")
    masks(tmp_path, "SegmentationClass/a.png")
    assert left_out(read_source(tmp_path)) == {
        "a mask whose name several photographs have": {"SegmentationClass/a.png"}
    }


@pytest.mark.parametrize("day", ["2026-11-29", "20261129", "29.11.2026", "2026_11_29_143005", "2026-11-29T14-30"])
def test_a_date_is_no_label(tmp_path: Path, day: str) -> None:
    photographs(tmp_path, f"{day}/good/a.png", f"hole/{day}/b.png")
    source = read_source(tmp_path)
    assert {path: row[0] for path, row in rows(source).items()} == {
        f"{day}/good/a.png": "good", f"hole/{day}/b.png": "hole",
    }  # fmt: skip
    photographs(tmp_path, f"only/{day}/a.png")
    with pytest.raises(InvalidInput, match="holds no images that a folder"):
        read_source(tmp_path / "only")


def test_numbers_that_are_no_date_can_be_labels(tmp_path: Path) -> None:
    photographs(tmp_path, "20261399/a.png", "4711-01/b.png")
    assert {label for label, *_ in rows(read_source(tmp_path)).values()} == {"20261399", "4711-01"}


@pytest.mark.parametrize("names", [("train_OK", "test_OK", "train_NG"), ("good train", "good val", "hole train")])
def test_a_split_and_a_class_in_one_name_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    photographs(tmp_path, *(f"{name}/a.png" for name in names))
    with pytest.raises(InvalidInput, match="which name a split and one class: make folders <split>/<class>"):
        read_source(tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"list.csv": "Datei;Klasse\n"}, "the first line of list.csv is 'Datei;Klasse'"),
        ({"labels.json": '{"classes":'}, "labels.json is not JSON"),
        ({"a.json": "{}"}, "a.json is of no layout that is known"),
    ],
)
def test_a_file_that_could_hold_the_labels_and_is_not_read_is_said(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    photographs(tmp_path, "camera1/a.png", "camera2/b.png")
    texts(tmp_path, files)
    notes = read_source(tmp_path).notes
    assert any(note.startswith("the labels are those of the folders") and said in note for note in notes)
