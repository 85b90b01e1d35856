"""Links in a folder store: nothing outside of it is read, written, listed or deleted through them, also in a race."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from defectory.errors import AlreadyExists, DefectoryError, NotFound, Refused
from defectory.storage import ObjectStore, open_store

SECRET = b"secret"
VERBS: dict[str, Callable[[ObjectStore, str, Path], object]] = {
    "get": lambda store, key, _: store.get(key),
    "stream": lambda store, key, _: list(store.stream(key)),
    "get_file": lambda store, key, out: store.get_file(key, out / "out"),
    "head": lambda store, key, _: store.head(key),
    "exists": lambda store, key, _: store.exists(key),
    "put": lambda store, key, _: store.put(key, b"x"),
    "put if absent": lambda store, key, _: store.put(key, b"x", if_absent=True),
    "put_file": lambda store, key, out: store.put_file(key, out / "in"),
    "delete": lambda store, key, _: store.delete(key),
}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "file").write_bytes(SECRET)
    (folder / "deep" / "file").write_bytes(SECRET)
    return folder


@pytest.fixture
def store(tmp_path: Path, outside: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/store")
    store.put("a/b/real", b"real")
    for link, to in (("a/file", "file"), ("a/folder", "."), ("a/b/nothing", "nothing"), ("top", ".")):
        (tmp_path / "store" / link).symlink_to(outside / to)
    (tmp_path / "store" / "a" / "within").symlink_to(tmp_path / "store" / "a" / "b")
    return store


def content(outside: Path) -> dict[str, bytes]:
    return {str(path.relative_to(outside)): path.read_bytes() for path in outside.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", list(VERBS))
@pytest.mark.parametrize(
    "key",
    ["a/file", "a/folder/file", "a/folder/new", "a/folder/deep/file", "a/b/nothing", "top/file", "top/new/er",
     "a/within/real"],
)  # fmt: skip
def test_no_verb_follows_a_link(verb: str, key: str, store: ObjectStore, outside: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x")
    before = content(outside)
    with pytest.raises(Refused, match="is a link") as caught:
        VERBS[verb](store, key, tmp_path)
    assert store.uri(key) in str(caught.value)
    assert content(outside) == before
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "store" / ".staging").iterdir())


def test_links_are_not_listed(store: ObjectStore) -> None:
    assert [info.key for info in store.list()] == ["a/b/real"]
    assert [info.key for info in store.list("a/b")] == ["a/b/real"]
    for prefix in ("a/folder/", "a/folder/f", "top/", "a/within/"):
        with pytest.raises(Refused, match="is a link"):
            list(store.list(prefix))


def test_the_staging_folder_is_no_link_either(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ".staging").symlink_to(outside)
    with pytest.raises(Refused, match="is a link"):
        open_store(f"file://{tmp_path}/store")
    (tmp_path / "store" / ".staging").unlink()
    store = open_store(f"file://{tmp_path}/store")
    (tmp_path / "store" / ".staging").rmdir()
    (tmp_path / "store" / ".staging").symlink_to(outside)
    with pytest.raises(Refused, match="is a link"):
        store.put("a", b"x")
    assert set(content(outside)) == {"file", "deep/file"}


def test_the_store_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    store = open_store(f"file://{tmp_path}/link")
    store.put("a/b", b"x")
    assert (tmp_path / "disk" / "a" / "b").read_bytes() == b"x"
    assert [info.key for info in store.list()] == ["a/b"]


def test_what_is_neither_file_nor_folder_holds_nobody(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotFound):
        store.get("pipe")  # to open it would wait for somebody who writes
    assert not store.exists("pipe")
    assert list(store.list()) == []


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(
    store: ObjectStore, outside: Path, tmp_path: Path
) -> None:
    """Somebody swaps a folder for a link to the outside, and back, as fast as it goes."""
    place, kept, link = (tmp_path / "store" / name for name in ("a/b", "kept", "link"))
    link.symlink_to(outside)
    store.put("a/b/file", b"mine")
    over = threading.Event()

    def moved(one: Path, there: Path) -> None:
        while True:
            try:
                one.rename(there)
            except OSError:  # a put made the folder meanwhile
                shutil.rmtree(there, ignore_errors=True)
            else:
                return

    def swap() -> None:
        while not over.is_set():
            for one, there in ((place, kept), (link, place), (place, link), (kept, place)):
                moved(one, there)

    thread = threading.Thread(target=swap)
    thread.start()
    read, written = set(), 0
    deadline = time.monotonic() + 1.5
    try:
        while time.monotonic() < deadline:
            for verb in ("get", "put", "list", "new", "delete"):
                with suppress(DefectoryError):
                    if verb == "get":
                        read.add(store.get("a/b/file"))
                    elif verb == "list":
                        assert {x.size_bytes for x in store.list("a/b/") if x.key == "a/b/file"} <= {len(b"mine")}
                    elif verb == "delete":
                        store.delete("a/b/new")
                    else:
                        with suppress(AlreadyExists):
                            store.put("a/b/file" if verb == "put" else "a/b/new", b"mine")
                            written += 1
    finally:
        over.set()
        thread.join()
    assert content(outside) == {"file": SECRET, "deep/file": SECRET}
    assert read == {b"mine"}
    assert written > 0
