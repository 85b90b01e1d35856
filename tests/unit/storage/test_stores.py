"""One behaviour, whatever the store: a folder, memory, a real S3 server."""

import errno
import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from defectory.errors import AlreadyExists, DefectoryError, Exhausted, InvalidInput, NotFound, Refused, Unavailable
from defectory.storage import ObjectStore, open_store
from defectory.storage.check import check_store
from defectory.storage.parallel import parallel_get, parallel_put
from tests.faulty_proxy import WELL, Fault, losing_answers, misbehaving
from tests.s3_servers import CREDENTIALS


def test_what_was_put_is_got(store: ObjectStore) -> None:
    info = store.put("a/b.bin", b"\x00\xffdata")
    assert store.get("a/b.bin") == b"\x00\xffdata"
    assert (info.key, info.size_bytes) == ("a/b.bin", 6)
    assert store.head("a/b.bin") == info
    assert store.put("a/b.bin", b"other!").etag != info.etag
    assert store.get("a/b.bin") == b"other!"
    store.put("empty", b"")
    assert store.get("empty") == b""


def test_absent_objects(store: ObjectStore) -> None:
    assert not store.exists("nothing")
    for verb in (store.get, store.head):
        with pytest.raises(NotFound, match="nothing"):
            verb("nothing")
    store.delete("nothing")
    assert list(store.list()) == []


def test_when_an_object_was_written_is_told(store: ObjectStore) -> None:
    before = datetime.now(UTC) - timedelta(minutes=2)  # servers count whole seconds, by their own clock
    store.put("a/b", b"1")
    (listed,) = store.list("a/")
    for info in (listed, store.head("a/b")):
        assert info.modified is not None
        assert before < info.modified < datetime.now(UTC) + timedelta(minutes=2)


def test_delete(store: ObjectStore) -> None:
    store.put("x", b"1")
    store.delete("x")
    assert not store.exists("x")


def test_list_is_in_the_order_of_whole_keys(store: ObjectStore) -> None:
    keys = ["a/b", "a-b", "a.b", "a/c/d", "a0", "b", "a/b0", "a/c-", "B"]
    for key in keys:
        store.put(key, key.encode())
    assert [x.key for x in store.list()] == sorted(keys)
    assert [x.key for x in store.list("a/")] == ["a/b", "a/b0", "a/c-", "a/c/d"]
    assert [x.key for x in store.list("a/b")] == ["a/b", "a/b0"]
    assert [x.key for x in store.list("a")] == sorted(k for k in keys if k.startswith("a"))
    assert list(store.list("zzz/")) == []


def test_thirty_two_writers_and_one_wins(store: ObjectStore) -> None:
    def write(number: int) -> bool:
        try:
            store.put("first", str(number).encode(), if_absent=True)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(32) as pool:
        won = list(pool.map(write, range(32)))
    assert sum(won) == 1
    assert store.get("first") == str(won.index(True)).encode()


def test_a_write_whose_answer_was_lost_is_still_our_own(s3_endpoint: str) -> None:
    environ = {**CREDENTIALS, "DEFECTORY_S3_ENDPOINT": s3_endpoint}
    bucket = f"s3://lossy-{uuid.uuid4().hex[:16]}"
    direct = open_store(bucket, environ)
    with losing_answers(int(s3_endpoint.rsplit(":", 1)[1]), "PUT", 2) as port:
        store = open_store(bucket, {**environ, "DEFECTORY_S3_ENDPOINT": f"http://127.0.0.1:{port}"})
        written = store.put(
            "owner", b"me", if_absent=True
        )  # its first answer is lost, and so is that of its repetition
        assert written.etag == direct.head("owner").etag
        assert direct.get("owner") == b"me"
        with pytest.raises(AlreadyExists):
            store.put("owner", b"me", if_absent=True)  # nothing was lost here: somebody was before
    direct.put("taken", b"somebody else's")
    with losing_answers(int(s3_endpoint.rsplit(":", 1)[1]), "PUT", 1) as port:
        store = open_store(bucket, {**environ, "DEFECTORY_S3_ENDPOINT": f"http://127.0.0.1:{port}"})
        with pytest.raises(AlreadyExists):
            store.put("taken", b"me", if_absent=True)
    assert direct.get("taken") == b"somebody else's"


def test_a_store_that_keeps_its_promises_passes_the_check(store: ObjectStore) -> None:
    check_store(store)
    assert list(store.list()) == []


def test_an_object_is_read_piece_by_piece(store: ObjectStore) -> None:
    data = os.urandom(3 << 20)
    store.put("big", data)
    store.put("empty", b"")
    pieces = list(store.stream("big"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 1 << 20
    assert list(store.stream("empty")) == []
    with pytest.raises(NotFound, match="none"):
        next(iter(store.stream("none")))


def test_files(store: ObjectStore, tmp_path: Path) -> None:
    data = os.urandom(7_000_000)  # more than one part of a multipart upload
    (tmp_path / "in").write_bytes(data)
    store.put_file("big", tmp_path / "in")
    store.get_file("big", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    with pytest.raises(NotFound):
        store.get_file("none", tmp_path / "absent")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "store") == ["in", "out"]


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "a\\b", "ä", "a\n", "x" * 1000]
)
def test_malformed_keys(store: ObjectStore, key: str) -> None:
    for verb in (store.get, store.exists, store.delete, store.uri, lambda k: store.put(k, b"")):
        with pytest.raises(InvalidInput):
            verb(key)


def test_uris(store: ObjectStore) -> None:
    assert store.key(store.uri("a/b")) == "a/b"
    for uri in ("file:///etc/passwd", "s3://other/a", store.url, store.url + "x/a", "a/b", ""):
        with pytest.raises(Refused):
            store.key(uri)
    with pytest.raises(InvalidInput):
        store.key(store.url + "/../x")


def test_parallel(store: ObjectStore) -> None:
    objects = [(f"k/{i:03}", str(i).encode()) for i in range(100)]
    assert parallel_put(store, objects) == 100
    assert parallel_put(store, [("k/000", b"changed")], if_absent=True) == 1
    asked = [*(store.uri(key) for key, _ in objects), store.uri("k/none"), "file:///etc/passwd"]
    got = list(parallel_get(store, asked))
    assert [uri for uri, _ in got] == asked
    assert [content for _, content in got[:-2]] == [content for _, content in objects]
    assert [type(error) for _, error in got[-2:]] == [NotFound, Refused]


@pytest.mark.parametrize("error", [Unavailable("away"), Exhausted("slow down"), Refused("closed")])
def test_a_store_that_lets_nobody_read_is_no_fault_of_the_object(
    error: DefectoryError, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store("memory://")
    store.put("k/a", b"a")

    def fail(_: str) -> bytes:
        raise error

    monkeypatch.setattr(store, "get", fail)
    with pytest.raises(type(error)):
        list(parallel_get(store, [store.uri("k/a")]))


@pytest.mark.parametrize("url", ["", "nothing", "file://host/x", "http://x/y", "s3://", "file://"])
def test_urls_that_are_no_store(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_store(url)


def test_a_store_that_is_not_there_is_made_only_where_that_is_wanted(tmp_path: Path, s3_url: str) -> None:
    (tmp_path / "photos/good").mkdir(parents=True)
    for url in (f"file://{tmp_path}/new", f"file://{tmp_path}/photos", s3_url):
        for _ in range(2):  # nor is it made by looking
            with pytest.raises(NotFound, match=f"there is no store at {url}"):
                open_store(url, make=False)
        open_store(url).put("a", b"1")
        assert open_store(url, make=False).get("a") == b"1"


def behind(endpoint: str, port: int) -> tuple[ObjectStore, ObjectStore]:
    """A bucket on the server, and the same behind the proxy at the port."""
    bucket = f"s3://cut-{uuid.uuid4().hex[:16]}"
    endpoints = endpoint, f"http://127.0.0.1:{port}"
    plain, proxied = (open_store(bucket, {**os.environ, "DEFECTORY_S3_ENDPOINT": one}) for one in endpoints)
    return plain, proxied


@pytest.mark.parametrize("size", [2, 100_000, (1 << 20) + 7, 3 << 20])
def test_an_answer_that_is_cut_off_is_gone_on_with(size: int, s3_endpoint: str, tmp_path: Path) -> None:
    content, asked = os.urandom(size), list[str]()

    def fault_of(method: str, path: str) -> Fault:
        if method != "GET" or not path.endswith("/k/a"):
            return WELL
        asked.append(path)
        return Fault(cut=len(asked) % 3 != 0)  # two of three

    with misbehaving(urlsplit(s3_endpoint).port or 0, fault_of) as proxy:
        _, store = behind(s3_endpoint, proxy)
        store.put("k/a", content)
        assert store.get("k/a") == content
        assert b"".join(store.stream("k/a")) == content
        store.get_file("k/a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == content
    assert len(asked) > 3


def test_what_is_always_cut_off_is_unavailable(s3_endpoint: str) -> None:
    with misbehaving(urlsplit(s3_endpoint).port or 0, lambda method, _: Fault(cut=method == "GET")) as proxy:
        plain, store = behind(s3_endpoint, proxy)
        plain.put("k/a", b"1" * 4000)
        with pytest.raises(Unavailable, match="k/a"):
            store.get("k/a")


def test_what_changed_while_it_was_read_is_not_mixed(s3_endpoint: str) -> None:
    asked = list[str]()

    def fault_of(method: str, path: str) -> Fault:
        if method != "GET" or not path.endswith("/k/a"):
            return WELL
        asked.append(path)
        if len(asked) == 2:
            plain.put("k/a", b"2" * 4_000_000)
        return Fault(cut=len(asked) == 1)

    with misbehaving(urlsplit(s3_endpoint).port or 0, fault_of) as proxy:
        plain, store = behind(s3_endpoint, proxy)
        for read in (store.get, lambda key: b"".join(store.stream(key))):
            plain.put("k/a", b"1" * 4_000_000)
            asked.clear()
            if read == store.get:
                assert read("k/a") == b"2" * 4_000_000
            else:  # its first half has been handed on
                with pytest.raises(Unavailable, match="k/a was written anew while it was read"):
                    read("k/a")


def test_an_error_that_is_cut_off_is_asked_for_again(s3_endpoint: str) -> None:
    asked = list[str]()

    def fault_of(method: str, path: str) -> Fault:
        asked.append(path)
        return Fault(cut=method == "GET" and path.endswith("/k/none") and len(asked) % 2 == 1)

    with misbehaving(urlsplit(s3_endpoint).port or 0, fault_of) as proxy:
        _, store = behind(s3_endpoint, proxy)
        asked.clear()
        with pytest.raises(NotFound, match="k/none"):
            store.get("k/none")
    assert len(asked) == 2


def test_a_server_that_is_not_there_is_unavailable() -> None:
    environ = {"DEFECTORY_S3_ENDPOINT": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with pytest.raises(Unavailable):
        open_store("s3://bucket", environ)


def test_seaweedfs_has_room_for_more_than_two_buckets(seaweedfs_environ: dict[str, str]) -> None:
    for number in range(4):  # with its default number of volumes the third answers 500 for ever
        store = open_store(f"s3://bucket-{number}", seaweedfs_environ)
        store.put("k", b"1")
        assert store.get("k") == b"1"


@pytest.mark.parametrize("endpoint", ["localhost:9000", "ftp://x", "http://x/y z"])
def test_malformed_endpoints(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="DEFECTORY_S3_ENDPOINT"):
        open_store("s3://bucket", {"DEFECTORY_S3_ENDPOINT": endpoint})


def test_a_key_below_an_object_is_refused_by_a_folder(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    store.put("a", b"1")
    with pytest.raises(InvalidInput):
        store.put("a/b", b"2")
    assert store.get("a") == b"1"


def test_a_write_that_was_killed_is_never_seen(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from defectory.storage import open_store
store = open_store(f"file://{sys.argv[1]}")
with store._staged("victim", if_absent=False) as file:
    file.write(b"half"); file.flush(); print("written", flush=True); sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
    store = open_store(f"file://{tmp_path}")
    assert not store.exists("victim")
    assert list(store.list()) == []


def test_errors_of_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DefectoryError):
        open_store(f"file://{tmp_path}/file/store")


def test_what_cannot_be_looked_into_hides_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"file://{tmp_path}")
    for key in ("a/1", "b/1", "c/1", "c/d/1"):
        store.put(key, b"")
    (tmp_path / "c" / "circle").symlink_to("circle")
    with pytest.raises(Refused, match="circle"):
        store.get("c/circle")
    scandir = os.scandir

    def closed(folder: int) -> object:
        if (
            Path(f"/proc/self/fd/{folder}").readlink() == tmp_path / "b"
        ):  # root, whom the tests may run as, can read all
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    assert [info.key for info in store.list()] == ["a/1", "c/1", "c/d/1"]
    with pytest.raises(Refused, match="/b"):
        list(store.list("b/"))
