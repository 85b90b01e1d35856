"""Hashes, names and request ids."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectory.errors import InvalidInput, NotFound
from defectory.models import NAME
from orchestrator.cli.options import weights_content
from orchestrator.pipeline.hashing import fingerprint, input_hash, object_name, request_id
from orchestrator.pipeline.known_inputs import KnownInputs, changes


def test_a_moved_store_changes_no_hash() -> None:
    here = input_hash("s", {"a": ["file:///here/x/y.json"]}, "file:///here")
    there = input_hash("s", {"a": ["s3://bucket/line/x/y.json"]}, "s3://bucket/line")
    assert here == there


def test_order_of_keys_does_not_matter_and_values_do() -> None:
    assert input_hash("s", {"a": 1, "b": 2}, "u") == input_hash("s", {"b": 2, "a": 1}, "u")
    assert input_hash("s", {"a": 1}, "u") != input_hash("s", {"a": 2}, "u")
    assert input_hash("s", {"a": 1}, "u") != input_hash("t", {"a": 1}, "u")


@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_every_label_gives_a_name(parts: list[str]) -> None:
    assert NAME.fullmatch(object_name("run", *parts))


def test_labels_that_look_alike_get_names_of_their_own() -> None:
    names = {object_name("run", label) for label in ("cut inner", "cut-inner", "Cut-inner", "cut/inner", "x" * 80)}
    assert len(names) == 5


@given(st.text(max_size=50), st.integers(0, 9))
def test_request_ids_are_what_services_take(part: str, forced: int) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", request_id("expanded-dataset", "0" * 64, part, forced))


def test_files_are_told_apart_by_path_and_size(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/x").write_bytes(b"12")
    (tmp_path / "a").write_bytes(b"1")
    assert [entry[:2] for entry in fingerprint(tmp_path)] == [("a", 1), ("b/x", 2)]


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        fingerprint(tmp_path / "none")
    with pytest.raises(InvalidInput, match="holds no file"):
        fingerprint(tmp_path)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"a": {"kimg": 40.0}}, {"a": {"kimg": 1.0}}, "a.kimg from 40 to 1"),
        ({"a": 1}, {"a": 1, "b": "x"}, "b from nothing to x"),
        ({"real": "a" * 64}, {"real": "b" * 64}, "the photographs (other content)"),
        ({"files": [["x", 1]] * 40}, {"files": [["x", 2]] * 40}, "the files of the photographs (other content)"),
        (
            {"files": [["x", 1]] * 40},
            {"files": [["x", 1]] * 41},
            "the files of the photographs from 40 entries to 41 entries",
        ),
        (
            {"model": "file:///s/models/a/1"},
            {"model": "file:///s/models/a/2"},
            "the classifier from models/a/1 to models/a/2",
        ),
        (dict.fromkeys("abcde", 0), dict.fromkeys("abcde", 1), "a from 0 to 1, b from 0 to 1, c from 0 to 1, 2 more"),
        ({"start": {"file": ""}}, {"start": {"file": "a" * 64}}, "the weights to start from: none before, now a file"),
        (
            {"start": {"file": "a" * 64}},
            {"start": {"file": "starter"}},
            "the weights to start from: a file before, now the starter",
        ),
        ({"settings": {"epochs": None}}, {"settings": {"epochs": 3}}, "epochs from unset to 3"),
        (
            {"generators": {"good": {"version": "1"}}},
            {"generators": {"good": {"version": "2"}}},
            "the generator of good.version from 1 to 2",
        ),
        ({"a": {}}, {"a": {"b": 1}}, "a.b from nothing to 1, a from {} to nothing"),
    ],
)
def test_changes_are_named_from_what_to_what(before: dict, now: dict, said: str) -> None:
    known = [KnownInputs.of("s", inputs, "file:///s").by_name for inputs in (before, now)]
    assert changes(*known) == said


def test_weights_count_by_what_the_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEFECTORY_WEIGHTS", raising=False)
    for name, content in (("one.h5", b"same"), ("two.h5", b"same"), ("three.h5", b"other")):
        (tmp_path / name).write_bytes(content)
    one, two, three = (weights_content(str(tmp_path / name)) for name in ("one.h5", "two.h5", "three.h5"))
    assert one == two != three
    assert (weights_content(""), weights_content("starter")) == ("", "starter")
    assert weights_content("/elsewhere/w.h5") == "/elsewhere/w.h5"
