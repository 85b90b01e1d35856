"""What `python -m tests.chaos` relies on: a store that outlives its process, and rows that stay in their places."""

from pathlib import Path

import pytest

from defectory.errors import DefectoryError
from defectory.storage import open_store
from tests.chaos import __main__ as chaos
from tests.chaos.restarted import Store
from tests.s3_servers import CREDENTIALS

PAGE = """# Reliability

## What was tried

`python -m tests.chaos` (then)

| what was done | tries | lost |
|---|---|---|
| one | 1 | 1 |
| two | 1 | 0 |

## Another section

| three | 1 | 0 |
"""


def test_rows_of_what_was_not_tried_stay_and_new_ones_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    monkeypatch.setattr(chaos, "PAGE", page)
    rows = chaos._with_others([["four", "2", "0"], ["one", "2", "0"]])
    assert rows == [["one", "2", "0"], ["two", "1", "0"], ["four", "2", "0"]]


def test_a_store_that_is_killed_is_away_and_comes_back_with_what_it_confirmed(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as server:
        environ = {**CREDENTIALS, "DEFECTORY_S3_ENDPOINT": server.endpoint}
        store = open_store("s3://chaos/line", environ)
        store.put("a", b"before")
        server.kill()
        with pytest.raises(DefectoryError):
            open_store("s3://chaos/line", environ).get("a")
        server.start()
        assert server.starts == 2
        assert open_store("s3://chaos/line", environ).get("a") == b"before"
