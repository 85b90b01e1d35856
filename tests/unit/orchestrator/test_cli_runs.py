"""What is in a store, in words: runs, work, logs, models, reports."""

import json
import os
import re
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.rpc import status_pb2
from typer.testing import CliRunner

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import write_dataset
from defectory.datasets.manifest_line import ManifestLine, PictureFile
from defectory.errors import FailedPrecondition, InvalidInput, NotFound
from defectory.serving.operations.leases import Leases
from defectory.serving.operations.record import OperationRecord, ProgressRecord, State, pack, progress_key, write_record
from defectory.storage import ObjectStore, open_store
from defectory.storage.places import path_or_uri
from orchestrator.cli.main import app
from orchestrator.pipeline.arms import FIRST_ARMS
from orchestrator.pipeline.at_work import at_work
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import Output, Reported
from orchestrator.pipeline.run_record import RecordedPipeline, RunRecord, StepRecord, TypedCommand
from orchestrator.pipeline.summary import RunSummary
from orchestrator.pipeline.underway import Start

STEPS = [step.name for step in line_of(FIRST_ARMS)]
MANIFEST = "datasets/photos/manifest.jsonl"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


def say(store: ObjectStore, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--store", store.url])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def answer(store: ObjectStore, *arguments: str) -> Any:
    return json.loads(say(store, *arguments, "--json"))


def a_run(store: ObjectStore, name: str, steps: list[str], verdict: str = "") -> RunRecord:
    """A run of which these steps have finished, one second after the other, an hour ago."""
    record = RunRecord(store, name)
    record.write_pipeline(RecordedPipeline(name=name, preset="", settings={}, contract_version=1, versions={}))
    record.write_command(TypedCommand(arguments=("run", "my photos", "--name", name), folder="/srv/a line"))
    summary = RunSummary(
        verdict=verdict, arms={}, differences={}, test_images=9, test_groups=9, synthetic={}, heat=None
    )
    for number, step in enumerate(steps):
        key = f"runs/{name}/report.html"
        outputs = Reported(report_uri=store.uri(key), summary=summary) if step == "report" else Output()
        finish(store, record, step, outputs, 3600 - number)
        if step == "report":
            store.put(key, b"<html>")
    return record


def finish(store: ObjectStore, record: RunRecord, step: str, outputs: Output, seconds: float) -> None:
    """Let a step have finished so long ago."""
    finished = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")
    record.finish(StepRecord[Output](step=step, input_hash="", started="", finished=finished, outputs=outputs))
    age(store, f"{record.prefix}steps/{step}.json", seconds)


def age(store: ObjectStore, key: str, seconds: float) -> None:
    """Let a file have been written so long ago."""
    moment = time.time() - seconds
    os.utime(store.uri(key).removeprefix("file://"), (moment, moment))


def test_runs_say_verdict_report_and_what_to_type_next(store: ObjectStore) -> None:
    assert say(store, "runs").startswith("there is no run in /")
    a_run(store, "photos", STEPS, "Both passed 4 of 4 defects.")
    a_run(store, "halfway", STEPS[:3])
    store.put("runs/broken/pipeline.json", b"[]")
    runs = {run["run"]: run for run in answer(store, "runs")["runs"]}
    assert {name: run["state"] for name, run in runs.items()} == {
        "photos": "finished", "halfway": "not finished", "broken": "unreadable",
    }  # fmt: skip
    report = f"{store.url.removeprefix('file://')}/runs/photos/report.html"
    assert (runs["photos"]["report"], runs["photos"]["verdict"]) == (report, "Both passed 4 of 4 defects.")
    assert runs["photos"]["next"] == f"defectory open photos --store {store.url}"
    assert (runs["halfway"]["steps_done"], runs["halfway"]["next_step"]) == (3, STEPS[3])
    assert runs["halfway"]["next"] == "cd '/srv/a line' && defectory run 'my photos' --name halfway"
    said = say(store, "runs")
    assert f"halfway  not finished: 3 of {len(STEPS)} steps, {STEPS[3]} is next" in said
    assert "file://" not in said.replace(f"--store {store.url}", "")


def test_a_step_that_was_repeated_makes_the_report_one_of_before(store: ObjectStore) -> None:
    record = a_run(store, "photos", STEPS, "It helped.")
    finish(store, record, STEPS[1], Output(), 1)
    (run,) = answer(store, "runs")["runs"]
    assert (run["state"], run["verdict"], run["next_step"]) == ("not finished", "", "report")


def test_a_run_that_was_started_again_is_not_finished_and_its_report_is_one_of_before(store: ObjectStore) -> None:
    record = a_run(store, "photos", STEPS, "It helped.")
    page = f"{store.url.removeprefix('file://')}/runs/photos/report.html"
    start = Start(record)
    start.skipped(STEPS[0])
    assert "photos  finished" in say(store, "runs"), "a start that skips all has changed nothing"
    start.begins()
    with at_work(store, "runs", "photos"):
        (run,) = answer(store, "runs")["runs"]
        (said,) = re.findall(r"photos  being done anew since [-0-9]{10} [:0-9]{5}: (.*)", say(store, "runs"))
    assert (run["state"], run["verdict"], run["report"]) == ("running", "", "")
    assert said == f"1 of {len(STEPS)} steps, {STEPS[1]} is next"
    start.ran(STEPS[1])
    (run,) = answer(store, "runs")["runs"]  # it was stopped
    assert (run["state"], run["steps_done"], run["next_step"]) == ("not finished", 2, STEPS[2])
    assert (run["report_of_before"], run["next"]) == (
        page,
        "cd '/srv/a line' && defectory run 'my photos' --name photos",
    )
    assert f"photos  not finished: 2 of {len(STEPS)} steps, {STEPS[2]} is next" in say(store, "runs")
    assert f"report of before: {page}" in say(store, "runs")
    record.finish_run()
    (run,) = answer(store, "runs")["runs"]
    assert (run["state"], run["verdict"], run["report_of_before"]) == ("finished", "It helped.", "")


def test_whoever_gets_a_report_of_before_is_told_so_and_none_is_made_of_new_settings_and_old_results(
    store: ObjectStore, tmp_path: Path
) -> None:
    record = a_run(store, "photos", STEPS, "It helped.")
    path = f"{store.url.removeprefix('file://')}/runs/photos/report.html"
    opened = CliRunner().invoke(app, ["open", "photos", "--print", "--store", store.url])
    assert (opened.stdout.strip(), opened.stderr) == (path, "")
    Start(record).begins()
    opened = CliRunner().invoke(app, ["open", "photos", "--print", "--store", store.url])
    assert opened.stdout.strip() == path
    assert opened.stderr.startswith("! this report is of before: the run 'photos' was started again")
    copied = tmp_path / "page.html"
    reported = CliRunner().invoke(app, ["report", "photos", "--out", str(copied), "--store", store.url])
    assert copied.read_bytes() == store.get("runs/photos/report.html") == b"<html>"
    assert reported.stderr == opened.stderr
    assert answer(store, "report", "photos")["summary"]["verdict"] == "It helped."


def test_a_finished_run_of_a_copied_store_is_finished_whatever_its_files_say(
    store: ObjectStore, tmp_path: Path
) -> None:
    a_run(store, "photos", STEPS, "It helped.")
    shutil.copytree(tmp_path / "store", tmp_path / "copied")
    copied = open_store(f"file://{tmp_path}/copied")
    for number, step in enumerate(STEPS):
        age(copied, f"runs/photos/steps/{step}.json", number)  # the report is the oldest file
    (run,) = answer(copied, "runs")["runs"]
    assert (run["state"], run["verdict"]) == ("finished", "It helped.")
    assert run["report"] == f"{tmp_path}/copied/runs/photos/report.html"


def test_a_report_is_opened_or_its_path_printed(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    a_run(store, "photos", STEPS)
    a_run(store, "halfway", STEPS[:3])
    path = f"{store.url.removeprefix('file://')}/runs/photos/report.html"
    assert say(store, "open", "photos", "--print").strip() == path
    assert opened == []
    assert answer(store, "open", "photos")["opened"] is True
    assert opened == [f"file://{path}"]
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert say(store, "open", "photos").strip() == f"no browser can be opened here; the report is {path}"
    assert len(opened) == 1
    with pytest.raises(NotFound, match="did you mean 'photos'"):
        say(store, "open", "photo")
    with pytest.raises(FailedPrecondition, match="has no report yet"):
        say(store, "open", "halfway")


def test_a_report_of_a_server_is_copied_to_this_machine(
    s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = open_store(s3_url)
    store.put("runs/photos/report.html", b"<html>")
    store.put("runs/photos/photos-figures/curves-test.csv", b"arm")
    RunRecord(store, "photos").write_pipeline(
        RecordedPipeline(name="photos", preset="", settings={}, contract_version=1, versions={})
    )
    path = Path(say(store, "open", "photos", "--print").strip())
    assert path == tmp_path / "defectory/reports/photos.html"
    assert path.read_bytes() == b"<html>"
    assert (path.parent / "photos-figures/curves-test.csv").read_bytes() == b"arm", "where the page links to"


def an_operation(
    store: ObjectStore, service: str, id_: str, job: str, request: Any, state: State = State.UNFINISHED, error: str = ""
) -> None:
    from base64 import b64encode

    status = b64encode(status_pb2.Status(code=3, message=error).SerializeToString()).decode() if error else ""
    record = OperationRecord(
        id=id_, job=f"services.{service}.jobs:{job}", request=pack(request), state=state, status=status,
        created=datetime.now(UTC),
    )  # fmt: skip
    write_record(store, service, record)


def test_status_says_what_runs_on_what_and_how_far_and_what_to_do(store: ObjectStore) -> None:
    assert say(store, "status") == f"nothing runs\n\nstore: {path_or_uri(store.url)}\n"
    a_run(store, "photos", STEPS[:3])
    train = generator_pb2.TrainGeneratorRequest(name="photos.good", manifest_uri=store.uri(MANIFEST))
    an_operation(store, "generator", "working", "train_generator", train)
    assert Leases(store, "generator").take("working")  # by this process, which lives
    progress = ProgressRecord(
        stage="training", done=300, total=1000, unit="images", remaining_s=130, values={"kimg": 0.3},
        updated=datetime.now(UTC),
    )  # fmt: skip
    store.put(progress_key("generator", "working"), progress.model_dump_json().encode())
    judge = classifier_pb2.TrainClassifierRequest(name="judge", manifest_uri=store.uri("datasets/other/manifest.jsonl"))
    an_operation(store, "classifier", "left", "train_classifier", judge)
    wrong = filter_pb2.FilterImagesRequest(dataset="x", real_manifest_uri=store.uri(MANIFEST))
    an_operation(store, "filter", "wrong", "filter_images", wrong, State.FAILED, "no cycle knows all real images")
    done = filter_pb2.FilterImagesRequest(dataset="y")
    an_operation(store, "filter", "done", "filter_images", done, State.SUCCEEDED)
    an_operation(store, "filter", "stopped", "filter_images", done, State.CANCELLED)
    work = {one["operation"]: one for one in answer(store, "status")["work"]}
    assert {name: one["state"] for name, one in work.items()} == {
        "operations/generator/working": "running",
        "operations/classifier/left": "stopped",
        "operations/filter/wrong": "failed",
    }
    again = "cd '/srv/a line' && defectory run 'my photos' --name photos"
    assert work["operations/filter/wrong"]["do"] == f"mend what it says, then: {again}"
    assert "typed again, goes on" in work["operations/classifier/left"]["do"]
    said = say(store, "status")
    assert (
        "  train generator photos.good (run photos): training · 300 images seen (0.3 of 1 kimg) · 2:10 left\n" in said
    )
    assert "  train classifier judge: has not begun\n" in said
    assert "  filter images x (run photos): no cycle knows all real images\n" in said
    assert "log: defectory logs operations/filter/wrong" in said
    assert "running: 3 of" in say(store, "runs")


def test_what_failed_before_its_run_was_finished_needs_nothing(store: ObjectStore) -> None:
    wrong = filter_pb2.FilterImagesRequest(dataset="x", real_manifest_uri=store.uri(MANIFEST))
    an_operation(store, "filter", "wrong", "filter_images", wrong, State.FAILED, "too few")
    a_run(store, "photos", STEPS)
    assert [one["operation"] for one in answer(store, "status")["work"]] == ["operations/filter/wrong"]
    age(store, "operations/filter/wrong.json", 7200)
    assert say(store, "status") == f"nothing runs\n\nstore: {path_or_uri(store.url)}\n"


def test_logs_are_of_one_operation_and_readable(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has run elsewhere"):
        say(store, "logs", "operations/filter/one")
    with pytest.raises(InvalidInput, match="is no operation's name"):
        say(store, "logs", "nonsense")
    lines = [
        json.dumps({"event": "serving", "level": "info", "timestamp": "T0", "service": "filter"}),
        json.dumps({"event": "judged", "level": "info", "timestamp": "T1", "operation": "one", "images": 6}),
        json.dumps({"event": "judged", "level": "info", "timestamp": "T2", "operation": "two", "images": 7}),
        "a library's line",
    ]
    (tmp_path / "store/logs").mkdir()
    (tmp_path / "store/logs/filter.log").write_text("\n".join(lines) + "\n")
    assert say(store, "logs", "operations/filter/one") == "T1  info  judged  images=6\n"
    assert say(store, "logs", "filter", "--lines", "2") == "T2  info  judged  images=7\na library's line\n"
    assert answer(store, "logs", "operations/filter/three")["lines"] == []


def test_models_of_both_kinds_are_listed_with_what_they_were_trained_on(store: ObjectStore) -> None:
    uri = store.uri(MANIFEST)
    generator = {
        "architecture": {"resolution_px": 64},
        "kimg": 12.3,
        "training_images": 40,
        "label": "defect",
        "manifest_uri": uri,
    }
    escape, overkill = ({"count": count, "of": of, "low": 0, "high": 1} for count, of in ((1, 9), (0, 20)))
    classifier = {
        "lineage": {"manifest_uri": uri, "images": {"train": {"good": 40, "defect": 20}}},
        "cycles": [{}, {}, {}],
        "calibration": {"validation": {"images": 13}},
        "metrics": {"test": {"f1": {"mean": 0.875, "low": None, "high": None}}},
        "operating_point": {"test": {"escape": escape, "overkill": overkill}},
    }
    for kind, card in (("generator", generator), ("classifier", classifier), ("classifier/other", {"x": 1})):
        kind, _, name = kind.partition("/")
        store.put(f"models/{kind}/{name or 'photos'}/1/model.json", json.dumps(card).encode())
    rows = {(row["kind"], row["model"]): row for row in answer(store, "models", "list")["models"]}
    of = rows["generator", "photos/1"]
    assert (of["trained_on"], of["figures"]) == ("photos: 40 images of defect", "64 px, 12300 images seen")
    of = rows["classifier", "photos/1"]
    assert of["trained_on"] == "photos: 60 images"
    assert of["figures"] == (
        "mean of 3 trainings: macro-F1 87.5%; the served one: 28 of 29 right "
        "(missed defects 1 of 9, false alarms 0 of 20); probabilities fitted on 13 images only"
    )
    assert rows["classifier", "other/1"]["figures"] == ""
    assert abs(datetime.fromisoformat(of["made"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert "photos/1" in say(store, "models", "list")


def test_datasets_are_listed_with_when_they_were_made(store: ObjectStore) -> None:
    file = PictureFile(uri=store.uri("x"), sha256="0" * 64, width=4, height=4)
    line = ManifestLine(file=file, label="good", split="train")
    write_dataset(store, "screws", [line], {})
    (card,) = answer(store, "dataset", "list")["datasets"]
    assert abs(datetime.fromisoformat(card["made"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert say(store, "dataset", "list").splitlines()[1].startswith(f"screws  {datetime.now().year}-")
