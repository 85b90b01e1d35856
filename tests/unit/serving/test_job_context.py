"""What a job is told and what it may rely on when the store is full or away."""

import json
from pathlib import Path
from typing import Any

import pytest

from defectory.errors import Cancelled, Exhausted, Refused, Unavailable
from defectory.serving.operations import context
from defectory.serving.operations.context import Interrupted, StoredJobContext
from defectory.serving.operations.record import cancel_key, progress_key
from defectory.storage import ObjectStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


def progress(store: ObjectStore) -> dict[str, Any]:
    reported: dict[str, Any] = json.loads(store.get(progress_key("generator", "x")))
    return reported


@pytest.mark.parametrize("error", [Exhausted("disk full"), Unavailable("no answer"), Refused("expired")])
def test_progress_that_cannot_be_written_stops_no_work_and_comes_later(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    clock, put, asked = [100.0], store.put, []
    monkeypatch.setattr(context.time, "monotonic", lambda: clock[0])
    job = StoredJobContext(store, "generator", "x", {})

    def failing(*_: object) -> None:
        asked.append(clock[0])
        raise error

    monkeypatch.setattr(store, "put", failing)
    for done in range(20):  # a second each: the store is left alone after the first failure
        job.report("training", done, 100, "kimg")
        clock[0] += 1
    assert asked == [100.0]
    monkeypatch.setattr(store, "put", put)
    clock[0] += context.STORE_AWAY_S
    job.report("training", 50, 100, "kimg")
    assert progress(store)["done"] == 50


def test_parts_of_a_unit_count_for_the_rate(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(context.time, "monotonic", lambda: clock[0])
    job = StoredJobContext(store, "generator", "x", {})
    job.report("training", 0.0, 10, "kimg")
    clock[0] = 2.0
    job.report("training", 0.5, 10, "kimg")
    reported = progress(store)
    assert (reported["done"], reported["rate"], reported["remaining_s"]) == (0, 0.25, 38.0)


@pytest.mark.parametrize("error", [Unavailable("no answer"), Refused("expired")])
def test_a_job_that_is_stopped_while_the_store_is_away_is_left_to_be_taken_up_again(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    job = StoredJobContext(store, "generator", "x", {})
    job.stop = True
    with pytest.raises(Interrupted):
        job.report("training", 1, 10, "kimg")

    def away(*_: object) -> bool:
        raise error

    store.put(cancel_key("generator", "x"), b"")
    with pytest.raises(Cancelled):
        job.report("training", 1, 10, "kimg")
    monkeypatch.setattr(store, "exists", away)
    with pytest.raises(Interrupted):
        job.report("training", 1, 10, "kimg")


def test_a_cancelled_job_leaves_without_a_signal_and_asks_the_store_once_a_second(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, exists, asked = [0.0], store.exists, []
    monkeypatch.setattr(context.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(store, "exists", lambda key: bool(asked.append(clock[0])) or exists(key))
    job = StoredJobContext(store, "generator", "x", {})
    for done in range(20):  # a tenth of a second each
        job.report("training", done, 100, "kimg")
        clock[0] += 0.1
    assert len(asked) == 2
    store.put(cancel_key("generator", "x"), b"")
    clock[0] += 1
    with pytest.raises(Cancelled):
        job.report("training", 20, 100, "kimg")
