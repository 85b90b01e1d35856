"""The listing of a folder: links, circles, names and folders that cannot be read."""

import os
from pathlib import Path

from defectory.datasets.layouts import read_source
from defectory.datasets.layouts.tree import Tree
from tests.unit.datasets.layouts.drawing import left_out, photographs, rows


def test_links_to_files_and_folders_are_followed_and_counted(tmp_path: Path) -> None:
    photographs(tmp_path / "elsewhere", "a.png", "deeper/b.png", "c.png")
    photographs(tmp_path / "photos", "good/x.png")
    (tmp_path / "photos/hole").symlink_to(tmp_path / "elsewhere/deeper")
    (tmp_path / "photos/good/c.png").symlink_to(tmp_path / "elsewhere/c.png")
    source = read_source(tmp_path / "photos")
    assert {path: label for path, (label, *_) in rows(source).items()} == {
        "good/x.png": "good", "good/c.png": "good", "hole/b.png": "hole",
    }  # fmt: skip
    assert any(note.startswith("2 links were followed") for note in source.notes)


def test_circles_and_links_that_lead_nowhere_or_above_are_left_out_aloud(tmp_path: Path) -> None:
    photographs(tmp_path, "secret.png", "photos/good/x.png", "photos/hole/y.png")
    (tmp_path / "photos/hole/above").symlink_to(tmp_path)
    (tmp_path / "photos/hole/again").symlink_to(tmp_path / "photos/good")
    (tmp_path / "photos/hole/gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "photos/hole/self.png").symlink_to(tmp_path / "photos/hole/self.png")
    source = read_source(tmp_path / "photos")
    assert set(rows(source)) == {"good/x.png", "hole/y.png"}
    out = left_out(source)
    assert out.pop("a link to a folder above") == {"hole/above"}
    assert out.pop("a link into a folder that is read already") == {"hole/again"}
    assert {path for paths in out.values() for path in paths} == {"hole/gone.png", "hole/self.png"}
    assert all(reason.startswith("a link that leads nowhere") for reason in out)


def test_what_is_reached_twice_has_its_real_path(tmp_path: Path) -> None:
    photographs(tmp_path, "real/x.png")
    (tmp_path / "a link").symlink_to(tmp_path / "real")
    assert Tree.of(tmp_path).files == ("real/x.png",)


def test_litter_is_passed_over_and_names_that_are_no_text_are_named(tmp_path: Path) -> None:
    photographs(tmp_path, "good/x.png", "good/._x.png", "__MACOSX/good/x.png")
    (tmp_path / "good/Thumbs.db").write_bytes(b"")
    with open(os.fsencode(tmp_path / "good") + b"/Gr\xfc\xdfe.png", "wb") as file:  # noqa: PTH123 -- bytes are no Path
        file.write(b"x")
    tree = Tree.of(tmp_path)
    assert tree.files == ("good/x.png",)
    assert tree.lost == (("good/Gr\\udcfc\\udcdfe.png", "its name is not UTF-8: rename it"),)
