"""A disk that is full, a real one: a file system of a megabyte, in a mount namespace of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NO_NAMESPACES = (
    shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode != 0
)
MOUNTED = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
CODE = """
import os, sys
from pathlib import Path
from defectory.errors import Exhausted
from defectory.storage import open_store
place = Path(sys.argv[1])
store = open_store(f"file://{place}/store")
store.put("a", b"1" * 300_000)
for what, write in (
    ("put", lambda: store.put("b", b"2" * 2_000_000)),
    ("over what is there", lambda: store.put("a", b"2" * 2_000_000)),
    ("put_file", lambda: store.put_file("b", Path(sys.argv[2]))),
    ("if_absent", lambda: store.put("b", b"2" * 2_000_000, if_absent=True)),
):
    try:
        write()
    except Exhausted as error:
        assert "no space left for" in str(error), error
        print(what)
    assert [info.key for info in store.list()] == ["a"], what
    assert store.get("a") == b"1" * 300_000, what
    assert list((place / "store/.staging").iterdir()) == [], what
store.delete("a")
store.put("b", b"2" * 600_000)
assert store.get("b") == b"2" * 600_000
print("room again")
"""


@pytest.mark.skipif(NO_NAMESPACES, reason="no user namespaces here")
def test_a_write_without_room_leaves_all_as_it_was_and_says_so(tmp_path: Path) -> None:
    place, large = tmp_path / "disk", tmp_path / "large"
    place.mkdir()
    large.write_bytes(b"2" * 2_000_000)
    command = ["unshare", "-Urm", "sh", "-c", MOUNTED, "sh", place, sys.executable, CODE, large]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["put", "over what is there", "put_file", "if_absent", "room again"]
