"""What --out names: a file, a folder for it, a place that is not there; and what is left of a write that fails."""

import errno
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from defectory.errors import Exhausted, InvalidInput
from defectory.storage.whole_file import whole_file
from orchestrator.cli import destinations
from orchestrator.cli.destinations import file_to_write, folder_to_write, write_file, write_files
from orchestrator.cli.main import app


def test_a_folder_gets_the_file_of_the_usual_name(tmp_path: Path) -> None:
    assert file_to_write(tmp_path, "photos.html") == tmp_path / "photos.html"
    assert file_to_write(tmp_path / "mine.html", "photos.html") == tmp_path / "mine.html"


def test_a_folder_that_is_not_there_is_not_made_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    with pytest.raises(InvalidInput, match=rf"there is no folder `{tmp_path}/report` to write x.html to; did you mean"):
        file_to_write(tmp_path / "report/x.html", "photos.html")
    with pytest.raises(InvalidInput, match="make it first"):
        file_to_write(tmp_path / "none/x.html", "photos.html")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "reports"]


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    (tmp_path / "photos.html").mkdir()
    with pytest.raises(InvalidInput, match=rf"{tmp_path}/taken is a file, and a folder is to be written there"):
        folder_to_write(tmp_path / "taken/deep")
    with pytest.raises(InvalidInput, match=r"photos.html is a folder, and a file is to be written there"):
        file_to_write(tmp_path, "photos.html")
    assert folder_to_write(tmp_path / "new/deep") == tmp_path / "new/deep"
    assert not (tmp_path / "new").exists()


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.html"
    file.write_bytes(b"before")
    with pytest.raises(TypeError), whole_file(file) as unfinished:
        unfinished.writelines([b"half", "text"])  # type: ignore[list-item]
    assert file.read_bytes() == b"before"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(destinations, "whole_file", full)
    with pytest.raises(Exhausted, match="no space left for"):
        write_file(file, b"after")
    assert [one.name for one in tmp_path.iterdir()] == ["x.html"]


def test_who_may_read_a_file_is_for_the_umask_to_say(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_files(tmp_path / "new", {"a/b.png": b"1"})
        with whole_file(tmp_path / "key", 0o600) as key:
            key.write(b"2")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new/a/b.png").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_commands_look_before_they_work(tmp_path: Path) -> None:
    """Whatever else is wrong (here: no store, no model), a place that takes nothing is said first."""
    (tmp_path / "part.png").write_bytes(b"")
    (tmp_path / "file").write_text("")
    deep, none = str(tmp_path / "file/deep"), str(tmp_path / "none/file.png")
    for arguments in (
        ("generator", "preview", "--model", "x", "--out", deep),
        ("generator", "synthesize", "--model", "x", "--out", deep),
        ("generator", "project", "x.png", "--model", "x", "--out", deep),
        ("classifier", "export", "x", "--format", "onnx", "--out", deep),
        ("dataset", "export", "x", "--format", "coco", "--out", deep),
        ("edit", "export", "x", "--out", deep),
        ("generator", "mix", "x", "--out", none),
        ("generator", "interpolate", "x", "--out", none),
        ("dataset", "groups", "x", "--out", none),
        ("report", "x", "--out", none),
    ):
        with pytest.raises(InvalidInput) as caught:
            CliRunner().invoke(app, [*arguments, "--store", f"file://{tmp_path}/store"], catch_exceptions=False)
        assert "out" in caught.value.fields, arguments
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "part.png"]
