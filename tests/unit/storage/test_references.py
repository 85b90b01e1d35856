"""A store that is copied or moved: its documents name its places, wherever it lies."""

import json
import shutil
from pathlib import Path

import pytest

from defectory.datasets.manifest import content_hash, dump_lines, read_manifest
from defectory.datasets.pictures import pictures_of
from defectory.storage import ObjectStore, open_store
from defectory.storage.memory import MemoryStore
from defectory.storage.references import read_json, rooted, unrooted
from tests.contract.datasets import make_dataset

WAS = "file:///srv/line"


def at(url: str) -> MemoryStore:
    """A store that lies there; nothing is asked of the place itself."""
    return MemoryStore(url)


def read(said: object, store: ObjectStore) -> object:
    return json.loads(rooted(json.dumps(said).encode(), store))


@pytest.mark.parametrize(
    "url", ["file:///srv/line", "s3://bucket", "s3://bucket/a/prefix", 'file:///tmp/ä "quoted" \\1']
)
@pytest.mark.parametrize("ascii_", [True, False])
def test_places_are_written_relative_and_read_where_the_store_lies(url: str, ascii_: bool) -> None:
    store, moved = at(url), at("s3://elsewhere/ünder")
    said = {"uri": store.uri("datasets/a/manifest.jsonl"), "more": [store.uri("runs/a/x.json"), {"a": store.uri("b")}]}
    stored = unrooted(json.dumps(said, ensure_ascii=ascii_).encode(), store)
    assert json.loads(stored) == {
        "uri": "store:datasets/a/manifest.jsonl", "more": ["store:runs/a/x.json", {"a": "store:b"}],
    }  # fmt: skip
    assert json.loads(rooted(stored, store)) == said
    root = "s3://elsewhere/ünder"
    assert json.loads(rooted(stored, moved)) == {
        "uri": f"{root}/datasets/a/manifest.jsonl", "more": [f"{root}/runs/a/x.json", {"a": f"{root}/b"}],
    }  # fmt: skip


def test_lines_are_read_as_documents_are() -> None:
    lines = b"".join(json.dumps({"uri": f"{WAS}/datasets/a/{n}.png"}).encode() + b"\n" for n in range(3))
    stored = unrooted(lines, at(WAS))
    assert stored.splitlines()[2] == b'{"uri": "store:datasets/a/2.png"}'
    assert rooted(stored, at(WAS)) == lines


@pytest.mark.parametrize(
    "text",
    [
        "in file:///srv/line/datasets/a, there is", "file:///srv/line", "store: full",
        'said "file:///srv/line/datasets/a" of it', 'said "store:datasets/a" of it', "a store:datasets/a",
        "file:///srv/line/datasets/a b", "file:///srv/line/../etc",
    ],
)  # fmt: skip
def test_text_that_is_no_place_of_the_store_stays(text: str) -> None:
    store = at(WAS)
    stored = unrooted(json.dumps([text]).encode(), store)
    assert json.loads(stored) == [text]
    assert json.loads(rooted(stored, store)) == [text]


def test_a_store_whose_name_only_starts_alike_is_another() -> None:
    other = b'["file:///srv/lines/datasets/a"]'
    assert unrooted(other, at(WAS)) == other


@pytest.mark.parametrize("before", ["file:///srv/line", "s3://old", "s3://old/a/prefix", 'file:///home/a b/ä "1"'])
@pytest.mark.parametrize(
    "key",
    ["datasets/a/originals/0f.png", "models/classifier/a/1/model.json", "runs/a/explain/b-heatmap.png",
     "scores/a/1/0f/scores.jsonl", "edits/a/summary.json", "imports/0f.pkl"],
)  # fmt: skip
def test_what_older_versions_wrote_is_read_where_the_store_lies_now(before: str, key: str) -> None:
    now = at("file:///mnt/new")
    assert read([f"{before}/{key}"], now) == [f"file:///mnt/new/{key}"]
    own = now.uri(key)
    assert read([own], now) == [own]


@pytest.mark.parametrize(
    "elsewhere", ["file:///etc/passwd", "s3://other/pictures/1.png", "file:///", "https://a/runs/b/c"]
)
def test_what_is_no_place_of_a_store_is_not_taken_for_one(elsewhere: str) -> None:
    assert read([elsewhere], at("file:///mnt/new")) == [elsewhere]


@pytest.mark.parametrize(
    "broken", [b'["file:///srv/\\x"]', b'["file:///srv/\xff/datasets/a"]', b'["file:///srv', b'"store:']
)
def test_what_is_no_json_is_left_to_who_parses_it(broken: bytes) -> None:
    assert rooted(broken, at("file:///mnt/new")) == broken


def test_a_name_of_the_layout_above_the_store_or_in_a_key_misleads_nobody() -> None:
    now = at("file:///mnt/new")
    now.put("datasets/runs/originals/0f.png", b"")
    now.put("datasets/runs/originals/1f.png", b"")
    before = "file:///srv/models/datasets/line"
    said = [f"{before}/datasets/runs/originals/0f.png", f"{before}/datasets/runs/originals/absent.png"]
    assert read(said, now) == [now.uri("datasets/runs/originals/0f.png"), now.uri("datasets/runs/originals/absent.png")]
    unknown = [f"{before}/datasets/runs/originals/absent.png"]
    assert read(unknown, now) == unknown, "nothing says which of its parts the key is"


def test_a_moved_folder_gives_its_documents(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/first")
    store.put("runs/a/x.json", unrooted(json.dumps({"uri": store.uri("runs/a/y.json")}).encode(), store))
    shutil.move(tmp_path / "first", tmp_path / "second")
    moved = open_store(f"file://{tmp_path}/second", make=False)
    assert read_json(moved, moved.uri("runs/a/x.json")) == {"uri": f"file://{tmp_path}/second/runs/a/y.json"}


@pytest.mark.parametrize("older", [False, True], ids=["today", "an older version"])
def test_a_dataset_whose_prefix_or_folder_was_mirrored_is_read_there(s3_url: str, tmp_path: Path, older: bool) -> None:
    store = open_store(f"file://{tmp_path}/store")
    uri = make_dataset(store)
    lines = read_manifest(store, uri)
    if older:
        key = store.key(uri)
        store.put(key, dump_lines(lines))
        assert store.url.encode() in store.get(key)
    first = open_store(f"{s3_url}/a/first")
    second = open_store(f"{s3_url}/second")
    for before, after in ((store, first), (first, second)):
        for info in before.list():
            after.put(info.key, before.get(info.key))
        mirrored = read_manifest(after, after.uri(store.key(uri)))
        assert content_hash(mirrored) == content_hash(lines)
        assert [x.file.uri for x in mirrored] == [after.uri(store.key(x.file.uri)) for x in lines]
        assert [type(x) for x in pictures_of(after, mirrored)] == [bytes] * len(lines)
