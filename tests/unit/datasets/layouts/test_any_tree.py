"""Whatever lies in a folder: no label is a split, a container or a mask, and no picture goes in silence."""

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from defectory.datasets.layouts import LAYOUTS, read_source
from defectory.datasets.layouts.source import Choices, Layout
from defectory.datasets.layouts.summary import summarise
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import masks, photographs, texts
from tests.unit.datasets.layouts.ingested import ingested

# Written out here, and not taken from the product's lists.
SPLITS = ["train", "Training", "val", "valid", "validation", "test", "test_images", "train2017", "dev"]
CONTAINERS = ["images", "imgs", "Data", "JPEGImages", "obj_train_data", "photos", "annotations", "labels"]
MASKS = ["masks", "mask", "ground_truth", "GT", "Label", "SegmentationClass"]
NOTHING = ["no_label", "_unlabeled", "unknown"]
KINDS = ["good", "scratch", "hole", "ok", "0", "1", "class_a", "camera1"]

CALLED_MASKS = ["_mask.png", "_label.bmp", "_GT.png", "-seg.png"]
CELLS = [*KINDS, *KINDS, "", "no_label", "train", "masks", "Good"]
folder = st.sampled_from([*SPLITS, *CONTAINERS, *MASKS, *NOTHING, *KINDS, *KINDS])
stem = st.sampled_from(["1", "2", "part", "a_b"])
photograph = st.tuples(st.lists(folder, max_size=4), stem, st.sampled_from([".png", ".jpg", ".bmp", ".PNG"]))
named_mask = st.tuples(st.lists(folder, max_size=4), stem, st.sampled_from([*CALLED_MASKS, ".png"]))
stray = st.tuples(st.lists(folder, max_size=3), stem, st.sampled_from([".txt", ".json", ".webp", ".xml"]))
choices = st.builds(
    Choices, keep_splits=st.booleans(), masks=st.sampled_from(["auto", "all", "none"]),
    layout=st.one_of(
        st.just(""), st.sampled_from(["folders", "inner-folders", "split-folders"]),
        st.sampled_from([layout.name for layout in LAYOUTS]),
    ),
)  # fmt: skip


def paths(files: list[tuple[list[str], str, str]]) -> list[str]:
    return ["/".join([*folders, name + ending]) for folders, name, ending in files]


def table(pictures: list[str], cells: list[tuple[int, str]]) -> str:
    """A table of some of the pictures, each once."""
    labels = {pictures[number % len(pictures)]: label for number, label in cells}
    return "".join(f"{path},{label}\n" for path, label in [("image", "label"), *labels.items()])


@given(
    st.lists(photograph, min_size=1, max_size=8), st.lists(named_mask, max_size=4),
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from(CALLED_MASKS)), max_size=3),
    st.lists(stray, max_size=3),
    st.one_of(st.just([]), st.just([]), st.lists(st.tuples(st.integers(0, 7), st.sampled_from(CELLS)), max_size=8)),
    choices,
)  # fmt: skip
@example([(["train"], "1", ".png")], [], [(0, "_GT.png")], [], [], Choices())
@settings(deadline=None, max_examples=120)
def test_no_tree_has_a_label_that_is_none_and_no_picture_goes_in_silence(
    pictures: list[tuple[list[str], str, str]],
    flat: list[tuple[list[str], str, str]],
    beside: list[tuple[int, str]],
    strays: list[tuple[list[str], str, str]],
    cells: list[tuple[int, str]],
    chosen: Choices,
) -> None:
    of_photographs = [(*pictures[number % len(pictures)][:2], ending) for number, ending in beside]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        photographs(root, *paths(pictures))
        masks(root, *(path for path in paths(flat + of_photographs) if not (root / path).exists()))
        for path in paths(strays):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(b"")
        if cells:
            (root / "list.csv").write_text(table(paths(pictures), cells))
            chosen = replace(chosen, layout=chosen.layout and "csv")
        try:
            source = read_source(root, chosen)
        except InvalidInput:
            return
        by_masks = {"defect"} if source.layout in ("kolektor", "kolektor2") else set()  # which name no kinds
        assert {file.label for file in source.files} <= {*KINDS, "Good"} | by_masks
        uses = Counter(file.path for file in source.files)
        uses.update({mask.path for file in source.files for mask in file.masks})
        uses.update(file.path for file in source.left_out)
        for path in (str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()):
            if path.lower().endswith((".png", ".jpg", ".bmp", ".webp")):
                assert uses[path] == 1, f"{path} is {'nowhere' if not uses[path] else 'in two places'}"
        for file in source.files:
            if source.layout != "csv":  # a table may name any path
                assert set(file.path.split("/")[:-1]).isdisjoint(MASKS), f"{file.path} lies among masks"
            assert chosen.masks == "none" or file.path not in paths(of_photographs)


def test_every_layout_has_a_test_that_draws_it() -> None:
    here = Path(__file__).parent
    missing = [x.name for x in LAYOUTS if not (here / f"test_layout_{x.name.replace('-', '_')}.py").exists()]
    assert not missing


@pytest.mark.parametrize("name", [layout.name for layout in LAYOUTS])
def test_a_layout_that_was_asked_for_and_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    photographs(tmp_path, "a.png", "ground_truth/b.png", "no_label/c.png")
    with pytest.raises(InvalidInput):
        read_source(tmp_path, Choices(layout=name))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_layout_that_is_asked_for_and_does_not_fit_is_a_sentence(tmp_path: Path, layout: Layout) -> None:
    photographs(tmp_path, "good/a.png", "hole/b.png")
    chosen = Choices(layout=layout.name)
    if layout.name in ("folders", "inner-folders"):
        assert {file.label for file in read_source(tmp_path, chosen).files} == {"good", "hole"}
    else:  # that it is a part of a data set, nothing says
        with pytest.raises(InvalidInput, match=rf"^{tmp_path} holds"):
            read_source(tmp_path, chosen)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"list.csv": "Datei;Klasse\n"}, r"the first line of list.csv is 'Datei;Klasse'; 1 pictures lie in img"),
        ({"list.csv": "a\0,\0b\0"}, "the first line of list.csv is no text in UTF-8: save it so"),
        ({"list.xlsx": "PK"}, "list.xlsx is a workbook: save it as CSV"),
        ({"photos.zip": "PK"}, "photos.zip is packed: unpack it"),
    ],
)
def test_what_lies_in_a_folder_that_no_layout_fits_is_said(tmp_path: Path, files: dict[str, str], said: str) -> None:
    photographs(tmp_path, "img/a.png")
    texts(tmp_path, files)
    with pytest.raises(InvalidInput, match=said):
        read_source(tmp_path)


def test_the_folder_of_one_class_names_the_folder_to_give(tmp_path: Path) -> None:
    photographs(tmp_path, "good/a.png", "good/b.png")
    with pytest.raises(InvalidInput, match=f"good holds 2 images but no class folders; where good is their label, "
                       f"give the folder above, {tmp_path}$"):  # fmt: skip
        read_source(tmp_path / "good")


@pytest.mark.parametrize(
    ("pictures", "choices", "note"),
    [
        (
            ("train/good/1.png", "train/good/2.png", "val/good/3.png", "test/hole/1.png", "test/hole/2.png"),
            Choices(keep_splits=True), "nothing of defect is in train, so no dataset can be made with these splits",
        ),
        (
            ("good/1.png", "good/2.png", "good/3.png", "hole/1.png"),
            Choices(), "too few photographs to make a dataset of (defect 1): every label needs 3 parts",
        ),
    ],
)  # fmt: skip
def test_what_an_ingest_will_refuse_is_said_before(
    tmp_path: Path, pictures: tuple[str, ...], choices: Choices, note: str
) -> None:
    photographs(tmp_path, *pictures)
    assert note in summarise(read_source(tmp_path, choices))["notes"]
    with pytest.raises(InvalidInput, match=r"to train"):
        ingested(tmp_path, choices=choices)
