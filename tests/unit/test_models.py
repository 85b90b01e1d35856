"""Which version a model's name means, and what is said of cards and folders that are none."""

from pathlib import Path

import pytest

from defectory.errors import Corrupted, InvalidInput, NotFound
from defectory.models import (
    MAX_CARD_BYTES,
    MAX_LABEL_BYTES,
    complete_versions,
    list_models,
    read_model_card,
    resolve,
    set_label,
)
from defectory.storage import ObjectStore, open_store


@pytest.fixture
def parts() -> ObjectStore:
    """With the versions 2 and 10 of parts, and a folder that is none."""
    store = open_store("memory://")
    for version in ("2", "10", "draft"):
        store.put(f"models/classifier/parts/{version}/model.json", b"{}")
    store.put("models/classifier/parts/11/reserved", b"x")
    return store


def version(store: ObjectStore, model: str) -> str:
    name, number = resolve(store, "classifier", model)
    assert name == "parts"
    return number


def test_a_folder_that_is_no_version_is_passed_over(parts: ObjectStore) -> None:
    assert complete_versions(parts, "classifier", "parts") == ["10", "2"]
    assert list_models(parts, "classifier") == [("parts", "10"), ("parts", "2")]
    assert version(parts, "parts") == "10"


def test_a_bare_name_is_the_stable_version_and_labels_name_theirs(parts: ObjectStore) -> None:
    assert version(parts, "parts/2") == "2"
    set_label(parts, "classifier", "parts/10", "canary")
    assert (version(parts, "parts"), version(parts, "parts/canary")) == ("10", "10")
    with pytest.raises(NotFound, match="labelled 'stable'"):
        resolve(parts, "classifier", "parts/stable")
    set_label(parts, "classifier", "parts/2", "stable")
    assert [version(parts, model) for model in ("parts", "parts/stable", "parts/10")] == ["2", "2", "10"]
    set_label(parts, "classifier", "parts/canary", "stable")
    assert version(parts, "parts") == "10"


def test_a_stable_version_that_is_gone_is_not_answered_with(parts: ObjectStore) -> None:
    set_label(parts, "classifier", "parts/2", "stable")
    parts.delete("models/classifier/parts/2/model.json")
    assert version(parts, "parts") == "10"
    with pytest.raises(NotFound, match="'2'"):
        resolve(parts, "classifier", "parts/stable")


def test_damaged_labels_are_told_only_to_those_who_need_them(parts: ObjectStore) -> None:
    parts.put("models/classifier/parts/labels/stable", b"newest")
    assert version(parts, "parts/2") == "2"
    for model in ("parts", "parts/stable"):
        with pytest.raises(Corrupted, match="the label "):
            resolve(parts, "classifier", model)


def test_what_is_too_large_to_be_a_card_or_a_label_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = open_store(f"file://{tmp_path}")
    parts.put("models/classifier/parts/2/model.json", b" " * (MAX_CARD_BYTES + 1))
    parts.put("models/classifier/parts/labels/stable", b"1" * (MAX_LABEL_BYTES + 1))
    monkeypatch.setattr(parts, "get", lambda key: pytest.fail("it is read"))
    with pytest.raises(Corrupted, match="bytes"):
        read_model_card(parts, "classifier", "parts", "2")
    with pytest.raises(Corrupted, match="bytes"):
        resolve(parts, "classifier", "parts")


@pytest.mark.parametrize(
    ("model", "error"),
    [("none", NotFound), ("parts/9", NotFound), ("parts/newest", InvalidInput), ("parts/../x", InvalidInput),
     ("../parts", InvalidInput), ("", InvalidInput)],
)  # fmt: skip
def test_models_that_there_are_not(parts: ObjectStore, model: str, error: type) -> None:
    with pytest.raises(error):
        resolve(parts, "classifier", model)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"null", b"\xff", b'{"a":'])
@pytest.mark.parametrize("times", [1, 100_000])
def test_what_is_no_card_is_said_to_be_damaged(parts: ObjectStore, content: bytes, times: int) -> None:
    content *= times
    parts.put("models/classifier/parts/2/model.json", content)
    with pytest.raises(Corrupted, match="parts/2"):
        read_model_card(parts, "classifier", "parts", "2")
