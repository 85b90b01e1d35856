"""Files as editors save them: what comes back, and that nothing but the edit differs from the original.

`tests/files/editors` holds files of the real editors, one folder each; `make edit-test` makes such files anew. Files
that are made here stand for what the table of docs/edits.md says of editors that could not be run.
"""

import io
import zipfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from defectory.errors import InvalidInput
from orchestrator.edits.difference import change_of
from orchestrator.edits.editor_files import read_editor_file

FILES = Path(__file__).parents[2] / "files/editors"
GIMP, KRITA = FILES / "gimp-2.10.34", FILES / "krita-5.1.5"
# Both editors' edit: an ellipse in the box x 12..24, y 10..19, whose corners are left as they were.
INSIDE, OUTSIDE, PIXELS = (14, 18), (10, 12), (80, 102)


def original(name: str) -> np.ndarray:
    numbers = np.asarray(Image.open(FILES / name))
    return numbers if numbers.ndim == 3 else numbers[..., None]


def test_the_ellipse_that_gimp_filled_is_the_mask_and_the_rest_is_the_original_to_the_bit() -> None:
    for name in ("grey.png", "rgb.png", "grey16.png"):
        before = original(name)
        read = read_editor_file(GIMP / name)
        change = change_of(before, read.numbers)
        assert read.editor == "GIMP 2.10"
        assert change.mask[INSIDE]
        assert not change.mask[OUTSIDE]
        assert PIXELS[0] <= change.mask.sum() <= PIXELS[1]
        assert (change.pixels[~change.mask] == before[~change.mask]).all()
        assert change.pixels.dtype == before.dtype
        dark = 20 * (257 if before.dtype == np.uint16 else 1)
        assert abs(int(change.pixels[INSIDE][0]) - dark) <= dark // 10
        assert change.notes == ()


@pytest.mark.parametrize(("name", "of"), [("grey-merged.png", "grey.png"), ("rgb-merged.png", "rgb.png")])
def test_a_merged_layer_of_gimp_comes_back_with_full_alpha_which_goes(name: str, of: str) -> None:
    with Image.open(GIMP / name) as file:
        assert file.mode in ("LA", "RGBA")
    change = change_of(original(of), read_editor_file(GIMP / name).numbers)
    assert change.pixels.shape == original(of).shape
    assert PIXELS[0] <= change.mask.sum() <= PIXELS[1]


def test_a_layer_that_gimp_saved_alone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="14x11 and its original 40x32: flatten"):
        change_of(original("rgb.png"), read_editor_file(GIMP / "unflattened.png").numbers)


@pytest.mark.parametrize(("name", "of"), [("linear.png", "grey.png"), ("rgb-linear.png", "rgb.png")])
def test_linear_light_of_gimp_gets_its_profile_applied(name: str, of: str) -> None:
    raw = imagecodecs.png_decode((GIMP / name).read_bytes())
    assert round(int(raw.reshape(32, 40, -1)[0, 0, 0]) / 257) == 55, "mid-grey 128, as the file has it"
    read = read_editor_file(GIMP / name)
    assert "linear light" in read.notes[0]
    change = change_of(original(of), read.numbers)
    assert PIXELS[0] <= change.mask.sum() <= PIXELS[1]
    assert (change.pixels[~change.mask] == original(of)[~change.mask]).all()


@pytest.mark.parametrize(
    ("name", "of"), [("grey.png", "grey.png"), ("grey16.png", "grey16.png"), ("grey.ora", "grey.png")]
)
def test_krita_changes_nothing_beyond_its_rounding(name: str, of: str) -> None:
    read = read_editor_file(KRITA / name)
    assert read.numbers.shape[2] == 4, "always RGBA"
    assert read.numbers.dtype == original(of).dtype
    with pytest.raises(InvalidInput, match="changes nothing"):
        change_of(original(of), read.numbers)


def test_a_stroke_on_what_krita_saved_is_found_alone(tmp_path: Path) -> None:
    for name in ("grey.png", "grey16.png"):
        saved = read_editor_file(KRITA / name).numbers.copy()
        saved[5:9, 20:30, :3] //= 4
        (tmp_path / name).write_bytes(imagecodecs.png_encode(saved))
        change = change_of(original(name), read_editor_file(tmp_path / name).numbers)
        expected = np.zeros((32, 40), bool)
        expected[5:9, 20:30] = True
        assert (change.mask == expected).all()


# What could not be run here, made to the table's description.


def edited(name: str = "grey.png") -> np.ndarray:
    numbers = original(name).copy()
    numbers[10:19, 12:24] //= 5
    return numbers


def test_an_unturned_photograph_is_found_and_turned_back() -> None:
    before = original("grey.png")
    for turned in (np.rot90(edited()), np.rot90(edited(), 2), edited()[:, ::-1], np.swapaxes(edited(), 0, 1)):
        change = change_of(before, np.ascontiguousarray(turned))
        assert change.mask.sum() == 9 * 12
        assert change.mask[14, 18]
        assert "turned back" in change.notes[0]


def test_another_size_is_refused_with_both() -> None:
    with pytest.raises(InvalidInput, match="20x16 and its original 40x32"):
        change_of(original("grey.png"), edited()[::2, ::2])


def test_nothing_and_nearly_everything_are_no_edits() -> None:
    before = original("grey.png")
    with pytest.raises(InvalidInput, match="changes nothing"):
        change_of(before, before + np.uint8(1))
    with pytest.raises(InvalidInput, match=r"in \d+% of all pixels"):
        change_of(before, before // 2)


def test_16_bits_that_come_back_as_8_are_compared_as_such() -> None:
    before = original("grey16.png")
    change = change_of(before, (edited("grey16.png") >> 8).astype(np.uint8))
    assert change.mask.sum() == 9 * 12
    assert (change.pixels[~change.mask] == before[~change.mask]).all()
    assert "8 bits" in change.notes[0]


def test_single_pixels_are_no_strokes_and_holes_are_part_of_one() -> None:
    before = original("grey.png")
    numbers = edited()
    numbers[2, 2] = 0
    numbers[14, 18] = before[14, 18]
    change = change_of(before, numbers)
    assert not change.mask[2, 2]
    assert change.mask[14, 18]
    assert (change.pixels[2, 2] == before[2, 2]).all()


def test_see_through_parts_are_refused() -> None:
    numbers = np.dstack([np.repeat(edited(), 3, axis=2), np.full((32, 40), 255, np.uint8)])
    numbers[3, 3, 3] = 128
    with pytest.raises(InvalidInput, match="flatten"):
        change_of(original("grey.png"), numbers)


@pytest.mark.parametrize("ending", [".ora", ".kra"])
def test_of_layered_files_the_merged_image_counts(tmp_path: Path, ending: str) -> None:
    def png(numbers: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(numbers[..., 0]).save(buffer, "PNG")
        return buffer.getvalue()

    path = tmp_path / f"x{ending}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/layer0.png", png(original("grey.png") * 0))
        archive.writestr("mergedimage.png", png(edited()))
        archive.writestr("maindoc.xml", "<x/>")
    read = read_editor_file(path)
    assert (read.numbers == edited()).all()
    assert read.editor == "Krita"


def test_files_that_lose_pixels_or_are_none_are_refused(tmp_path: Path) -> None:
    Image.fromarray(edited()[..., 0]).save(tmp_path / "a.jpg")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.jpg").read_bytes())
    (tmp_path / "c.ora").write_bytes(b"PK\x03\x04")
    (tmp_path / "d.png").write_bytes(b"no picture")
    for name, why in (
        ("a.jpg", "without loss"),
        ("b.png", "JPEG"),
        ("c.ora", "merged image"),
        ("d.png", "not an image"),
    ):
        with pytest.raises(InvalidInput, match=why):
            read_editor_file(tmp_path / name)
