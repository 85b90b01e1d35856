"""A report that a run started again puts in place of another: the earlier one is kept, as it was."""

import json
from pathlib import Path

import pytest

from defectory.storage import ObjectStore, open_store
from orchestrator.pipeline.outputs import REPORT, Reported
from orchestrator.pipeline.run_record import RunRecord, StepRecord, Underway
from orchestrator.report import keep_report, replace_report
from orchestrator.report.kept import MOST_EARLIER
from tests.unit.report.finished_run import finished_run

SINCE = "2026-12-01T04:09:00+00:00"
EARLIER = "runs/run/earlier/20261201T040900Z"


def started_again(store: ObjectStore, *ran: str, since: str = SINCE) -> None:
    RunRecord(store, "run").keep_underway(Underway(since=since, ran=ran))


def finish(store: ObjectStore, since: str = SINCE) -> str:
    """Go on as the report's step does."""
    started_again(store, "report", since=since)
    report, earlier_uri = replace_report(store, "run")
    reported = Reported(report_uri="", summary=report.summary, earlier_uri=earlier_uri)
    RunRecord(store, "run").finish(
        StepRecord[Reported](step=REPORT.step, input_hash="", started="", finished=SINCE, outputs=reported)
    )
    return earlier_uri


def measure_anew(store: ObjectStore, f1: float) -> None:
    """Let an arm's evaluation have ended with this macro-F1."""
    record = json.loads(store.get("runs/run/steps/expanded-evaluate.json"))
    key = store.key(record["outputs"]["evaluation_uri"].replace("store:", f"{store.url}/"))
    evaluation = json.loads(store.get(key))
    for cycle in evaluation["cycles"]:
        cycle["metrics"]["f1"] = f1
    store.put(key, json.dumps(evaluation).encode())


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    memory = finished_run()
    if request.param == "memory":
        return memory
    folder = open_store(f"file://{tmp_path}/store")
    for one in memory.list():
        data = memory.get(one.key)
        is_text = one.key.endswith((".json", ".jsonl"))
        folder.put(one.key, data.replace(memory.url.encode(), folder.url.encode()) if is_text else data)
    return folder


def earlier(store: ObjectStore) -> dict[str, bytes]:
    return {one.key: store.get(one.key) for one in store.list("runs/run/earlier/")}


def test_a_report_that_says_something_else_is_kept_with_the_files_that_it_links_to(store: ObjectStore) -> None:
    assert finish(store) == "", "there was none"
    page = store.get("runs/run/report.html")
    files = {one.key.removeprefix("runs/run/"): store.get(one.key) for one in store.list("runs/run/run-figures/")}
    measure_anew(store, 0.7)
    assert finish(store) == store.uri(f"{EARLIER}/report.html")
    assert earlier(store) == {
        f"{EARLIER}/report.html": page, **{f"{EARLIER}/{name}": data for name, data in files.items()},
    }  # fmt: skip
    assert files
    assert b"70.0%" in store.get("runs/run/report.html")


def test_nothing_is_kept_where_the_report_says_the_same_or_is_only_built_anew(store: ObjectStore) -> None:
    finish(store)
    assert finish(store) == ""
    measure_anew(store, 0.7)
    RunRecord(store, "run").finish_run()
    keep_report(store, "run")
    assert earlier(store) == {}


def test_a_run_that_forgot_its_report_keeps_it_where_a_step_before_has_run(store: ObjectStore) -> None:
    finish(store)
    store.delete("runs/run/steps/report.json")  # as --from does
    started_again(store, "explain", "report")
    assert replace_report(store, "run")[1] == ""
    started_again(store, "expanded", "expanded-evaluate")
    assert replace_report(store, "run")[1] == store.uri(f"{EARLIER}/report.html")


def test_a_run_that_was_killed_after_it_put_the_new_page_has_kept_the_earlier_one(store: ObjectStore) -> None:
    finish(store)
    page = store.get("runs/run/report.html")
    measure_anew(store, 0.7)
    for _ in range(2):
        started_again(store, "expanded-evaluate")
        _, earlier_uri = replace_report(store, "run")
        assert store.get(store.key(earlier_uri)) == page
    assert store.get("runs/run/report.html") != page


def test_the_oldest_of_many_are_forgotten(store: ObjectStore) -> None:
    finish(store)
    for day in range(1, MOST_EARLIER + 3):
        measure_anew(store, 0.5 + day / 100)
        finish(store, f"2026-12-{day:02}T04:09:00+00:00")
    kept = [key.split("/")[3] for key in earlier(store) if key.endswith("/report.html")]
    assert kept == [f"202612{day:02}T040900Z" for day in (3, 4, 5, 6, 7)]
    assert {key.split("/")[3] for key in earlier(store)} == set(kept)
