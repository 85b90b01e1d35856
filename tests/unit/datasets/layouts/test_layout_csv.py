"""Tables: what spreadsheets and Label Studio write, several labels in a cell, paths from the folder above."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectory.datasets.ingest import ingest
from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.delimited import decode_text, rows
from defectory.datasets.layouts.summary import in_words, summarise
from defectory.datasets.layouts.table import check_groups, with_groups
from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.storage.memory import MemoryStore
from tests.unit.datasets.layouts.drawing import left_out, photographs, texts
from tests.unit.datasets.layouts.tools import LABEL_STUDIO

ROWS = [("image", "label"), ("a.png", "gut, schön"), ("b.png", "Löcher")]


def labels(root: Path) -> dict[str, str]:
    return {file.path: file.label for file in read_source(root).files}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "sep={delimiter}\r\n"])
def test_every_spelling_of_one_table_is_the_same_table(
    tmp_path: Path, encoding: str, delimiter: str, first: str
) -> None:
    photographs(tmp_path, "a.png", "b.png")
    quoted = [delimiter.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in ROWS]
    text = first.format(delimiter=delimiter) + "".join(f"{row}\r\n" for row in quoted)
    (tmp_path / "table.csv").write_bytes(text.encode(encoding))
    source = read_source(tmp_path)
    assert {file.path: (file.label, file.kinds) for file in source.files} == {
        "a.png": ("gut", ("gut", "schön")),
        "b.png": ("Löcher", ()),
    }
    assert any("code page 1252" in note for note in source.notes) == (encoding == "cp1252")


def test_a_cell_of_json_is_parsed_or_refused_by_its_row(tmp_path: Path) -> None:
    photographs(tmp_path, "a.png", "b.png")
    table = tmp_path / "table.csv"
    table.write_text('image,label\na.png,"[""melt"", ""scratch""]"\nb.png,good\n')
    assert labels(tmp_path) == {"a.png": "melt", "b.png": "good"}
    table.write_text('image,label\na.png,good\nb.png,"[""melt"", "\n')
    with pytest.raises(InvalidInput, match=r"table\.csv, row 3: .* begins like JSON and is none"):
        read_source(tmp_path)


def test_a_part_that_is_good_and_faulty_and_one_without_label_are_left_out(tmp_path: Path) -> None:
    photographs(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "table.csv").write_text('image,label\na.png,"good, scratch"\nb.png,\nc.png,scratch\nd.png,good\n')
    source = read_source(tmp_path)
    assert [file.path for file in source.files] == ["c.png"]
    assert left_out(source) == {
        "it is labelled good and faulty at once": {"a.png"},
        "nobody labelled it": {"b.png"},
        "it is named, but no such file is there": {"d.png"},
    }


def test_paths_from_the_folder_above_the_tables_own(tmp_path: Path) -> None:
    photographs(tmp_path, "cable/Data/Images/1.png", "cable/Data/Images/2.png")
    table = tmp_path / "cable/lists/image_anno.csv"
    table.parent.mkdir()
    table.write_text("image,label\ncable/Data/Images/1.png,normal\ncable/Data/Images/2.png,melt\n")
    (tmp_path / "cable/image_anno.csv").write_text(table.read_text())
    expected = {"cable/Data/Images/1.png": "normal", "cable/Data/Images/2.png": "melt"}
    assert labels(tmp_path / "cable/image_anno.csv") == expected
    in_tree = {path.removeprefix("cable/"): label for path, label in expected.items()}
    assert labels(tmp_path / "cable") in (in_tree, expected)


def test_a_name_that_fits_several_pictures_is_refused(tmp_path: Path) -> None:
    photographs(tmp_path, "left/1.png", "right/1.png")
    (tmp_path / "table.csv").write_text("image,label\n1.png,good\n")
    with pytest.raises(InvalidInput, match=r"row 2: 1\.png may be left/1\.png or right/1\.png"):
        read_source(tmp_path)


def test_every_kind_of_a_cell_reaches_the_manifest(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(12)]
    photographs(tmp_path, *names)
    lines = [f'{name},"{"good" if number < 6 else "melt, scratch"}"' for number, name in enumerate(names)]
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *lines]))
    store = MemoryStore()
    result = ingest(tmp_path, store, "parts", labels="kinds")
    assert {(line.label, line.kinds) for line in read_manifest(store, result.manifest_uri)} == {
        ("good", ()),
        ("melt", ("melt", "scratch")),
    }


@pytest.mark.parametrize("form", ["CSV", "TSV"])
def test_label_studios_table(form: str) -> None:
    source = read_source(LABEL_STUDIO / form)
    assert {file.path: (file.label, file.kinds) for file in source.files} == {
        "a.png": ("good", ()),
        "b.png": ("scratch", ()),
        "c.png": ("hole", ("hole", "scratch")),
        "e.png": ("good", ()),
    }
    reasons = left_out(source)
    assert reasons["nobody labelled it"] == {"d.png", "g.png"}
    assert reasons["those who labelled it disagree"] == {"f.png"}
    assert "h.png" in set().union(*reasons.values())
    assert any("f.png (good by person1@example.com, hole by person2@example.com)" in note for note in source.notes)


def test_a_groups_table_without_a_partner_is_refused_and_one_with_few_is_counted() -> None:
    there = ["good/a.png", "good/b.png"]
    with pytest.raises(
        InvalidInput, match=r"names no photograph that is there: it has a\.png, and there is good/a\.png"
    ):
        check_groups({"a.png": "1", "b.png": "1"}, there, "groups.csv")
    notes = check_groups({"good/a.png": "1", "good/c.png": "1"}, there, "groups.csv")
    assert any(note.startswith("1 rows of groups.csv name no photograph, e.g. good/c.png") for note in notes)
    assert any(note.startswith("1 photographs stand in no row of groups.csv, e.g. good/b.png") for note in notes)
    assert check_groups(dict.fromkeys(there, "1"), there, "groups.csv") == ()


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_no_bytes_make_the_reader_of_tables_fall(data: bytes) -> None:
    with suppress(InvalidInput):
        assert all("image" in row for _, row in rows(decode_text(data, "t.csv"), "t.csv", (("image",),)))


def test_a_groups_table_is_part_of_what_is_said_first(tmp_path: Path) -> None:
    photographs(tmp_path / "photos", "good/a.png", "good/b.png", "hole/c.png")
    table = tmp_path / "groups.csv"
    table.write_text("image;part\ngood/a.png;1\ngood/b.png;1\ngood/z.png;2\n")
    summary = summarise(with_groups(read_source(tmp_path / "photos"), table))
    assert "groups  1 parts on 2 images; found by likeness among the other 1" in in_words(summary)
    assert f"1 rows of {table} name no photograph, e.g. good/z.png" in summary["notes"]
    assert any(
        note.startswith(f"1 photographs stand in no row of {table}, e.g. hole/c.png") for note in summary["notes"]
    )


def test_labels_that_lie_too_deep_are_refused_by_their_row(tmp_path: Path) -> None:
    photographs(tmp_path, "a.png")
    for deep in ("[" * 800 + "]" * 800, "[" * 100_000):
        texts(tmp_path, {"table.csv": f'image,label\na.png,"{deep}"\n'})
        with pytest.raises(InvalidInput, match=r"table\.csv, row 2: "):
            read_source(tmp_path)
