"""The table of where a run's time went."""

import sys

import pytest

from bench import line
from defectory.errors import NotFound
from defectory.phases import Spent
from defectory.storage import open_store
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.report.times import StepTime, times_of


def test_the_row_of_all_steps_weighs_each_by_its_time() -> None:
    idle = StepTime("ingest", Spent(reading=2, waiting=4, cores=3), 2)  # 3 of 12 seconds of cores
    busy = StepTime("generators", Spent(starting=1, computing=1, writing=2, cores=8), 2)  # all of 8
    assert idle.row() == ["ingest", "6.0", "0.0", "2.0", "0.0", "0.0", "4.0", "25%"]
    assert line.whole([idle, busy]) == ["all", "10.0", "1.0", "2.0", "1.0", "2.0", "4.0", "55%"]


def test_there_is_no_table_of_a_run_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="no run 'none'"):
        list(times_of(RunRecord(open_store("memory://"), "none")))


def test_a_run_of_an_older_version_is_told_to_be_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.unit.report.finished_run import finished_run

    old, store = finished_run(), open_store(f"file://{tmp_path}/store")
    for info in old.list("runs/"):
        store.put(info.key, old.get(info.key))
    monkeypatch.setattr(sys, "argv", ["line", "--store", store.url, "--run", "run"])
    with pytest.raises(SystemExit, match="an older version made it"):
        line.main()
