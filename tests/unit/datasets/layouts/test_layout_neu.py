"""NEU: the class is in the file's name, boxes are masks, and nothing is good."""

from pathlib import Path

import numpy as np
import pytest

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.neu import NEU, NO_ANNOTATION, OTHER_FOLDER
from defectory.datasets.layouts.source import Choices
from defectory.errors import InvalidInput
from tests.unit.datasets.layouts.drawing import SIDE, left_out, photographs, rows, texts
from tests.unit.datasets.layouts.ingested import ingested

PREFIXES = {
    "Cr": "crazing", "In": "inclusion", "Pa": "patches", "PS": "pitted_surface", "RS": "rolled-in_scale",
    "Sc": "scratches",
}  # fmt: skip


def annotation(*objects: tuple[str, tuple[int, int, int, int]], side: int = SIDE) -> str:
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        "</bndbox></object>"
        for name, (x0, y0, x1, y1) in objects
    )
    return f"<annotation><size><width>{side}</width><height>{side}</height><depth>1</depth></size>{boxes}</annotation>"


def detection(root: Path) -> Path:
    """NEU-DET as it lies at Kaggle."""
    for split, numbers in {"train": range(1, 4), "validation": range(4, 6)}.items():
        for name in ("crazing", "rolled-in_scale"):
            for n in numbers:
                photographs(root, f"{split}/images/{name}/{name}_{n}.jpg")
                texts(root, {f"{split}/annotations/{name}_{n}.xml": annotation((name, (1, 1, 4, 2)))})
    texts(root, {
        "train/annotations/crazing_1.xml": annotation(
            ("crazing", (1, 1, 3, 2)), ("inclusion", (SIDE, SIDE, SIDE, SIDE))
        )
    })  # fmt: skip
    return root


def test_prefixes_are_classes_and_nothing_is_good(tmp_path: Path) -> None:
    photographs(tmp_path, *(f"{prefix}_{n}.bmp" for prefix in PREFIXES for n in range(1, 5)))
    source = read_source(tmp_path)
    assert (source.layout, source.good, source.left_out) == (NEU.name, "", ())
    assert rows(source) == {
        f"{prefix}_{n}.bmp": (name, "none", "", ()) for prefix, name in PREFIXES.items() for n in range(1, 5)
    }
    assert any("no photographs of good steel" in note for note in source.notes)
    assert {line.label for line in ingested(tmp_path).lines.values()} == set(PREFIXES.values())


def test_boxes_are_masks_and_other_names_are_kinds(tmp_path: Path) -> None:
    source = read_source(detection(tmp_path), Choices(keep_splits=True))
    files = {file.path: file for file in source.files}
    assert len(files) == 10
    first = files["train/images/crazing/crazing_1.jpg"]
    assert (first.label, first.split, first.kinds) == ("crazing", "train", ("crazing", "inclusion"))
    assert files["validation/images/rolled-in_scale/rolled-in_scale_5.jpg"].split == "validation"
    assert any("boxes" in note for note in source.notes)


def test_boxes_count_from_one_and_hold_their_last_pixel(tmp_path: Path) -> None:
    dataset = ingested(detection(tmp_path))
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[0:2, 0:3] = 255  # rows 1 and 2, columns 1 to 3
    expected[SIDE - 1, SIDE - 1] = 255
    assert (dataset.mask("train/images/crazing/crazing_1.jpg") == expected).all()


def test_what_does_not_fit_is_left_out(tmp_path: Path) -> None:
    root = detection(tmp_path)
    (root / "train/annotations/crazing_2.xml").unlink()
    photographs(root, "train/images/crazing/patches_1.jpg")
    texts(root, {"train/annotations/crazing_3.xml": annotation(("crazing", (1, 1, 2, 2)), side=200)})
    said = left_out(read_source(root))
    assert said[NO_ANNOTATION] == {"train/images/crazing/crazing_2.jpg"}
    assert said[OTHER_FOLDER] == {"train/images/crazing/patches_1.jpg"}
    assert not ingested(root).has_mask("train/images/crazing/crazing_3.jpg")  # annotated at another size


@pytest.mark.parametrize("number", ["inf", "nan", "1e999"])
def test_numbers_of_a_box_are_numbers(tmp_path: Path, number: str) -> None:
    root = detection(tmp_path)
    odd = annotation(("crazing", (1, 1, 2, 2))).replace("<xmin>1</xmin>", f"<xmin>{number}</xmin>")
    texts(root, {"train/annotations/crazing_3.xml": odd})
    with pytest.raises(InvalidInput, match=f"<bndbox/xmin> is '{number}'; it has to be a number"):
        read_source(root)


def test_parts_say_what_to_give(tmp_path: Path) -> None:
    root = detection(tmp_path)
    with pytest.raises(InvalidInput, match=f"give {root}/train$"):
        read_source(root / "train/images")
    with pytest.raises(InvalidInput, match=f"one class of NEU: give {root}/train/images$"):
        read_source(root / "train/images/crazing")


def test_names_of_other_photographs_are_not_taken_for_classes(tmp_path: Path) -> None:
    photographs(tmp_path, *(f"{label}/{name}_1.png" for label in ("good", "bad") for name in ("Cr", "In", "part")))
    assert {file.label for file in read_source(tmp_path).files} == {"good", "bad"}
