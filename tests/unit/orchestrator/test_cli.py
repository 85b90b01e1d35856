"""The command line as a program: help, JSON, exit codes, pages."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from inspect import unwrap
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from google.rpc import status_pb2
from PIL import Image
from typer.main import get_group
from typer.models import OptionInfo
from typer.testing import CliRunner

from defectory.errors import InvalidInput, NotFound
from defectory.exit_codes import EVICTED, EXIT_CODES, INTERRUPTED
from defectory.serving.operations.record import OperationRecord, ProgressRecord, State, write_record
from defectory.settings import read_settings
from defectory.storage import open_store
from orchestrator.cli import classifier, doctor, projecting
from orchestrator.cli.explaining import explain
from orchestrator.cli.main import app
from orchestrator.cli.options import weights_file
from orchestrator.cli.reference import cli_page, ingest_page, pipeline_page, settings_page
from orchestrator.cli.run import read_settings as read_run_settings
from orchestrator.pipeline.arms import DEFAULT_ARMS
from orchestrator.pipeline.line import line_of
from services.classifier.service_settings import ClassifierSettings
from tests.patience import PATIENT_S

ROOT = Path(__file__).parents[3]


def defectory(*arguments: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=PATIENT_S, env={**os.environ, **environ}
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    import numpy as np

    random = np.random.default_rng(0)
    for label in ("good", "defect"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    (tmp_path / "photos/good/broken.png").write_bytes(b"\x89PNG\r\n")
    return tmp_path / "photos"


def test_ingest_prints_one_object_that_names_what_was_made(photos: Path, tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"
    done = defectory("ingest", str(photos), "--name", "x", "--store", store, "--json")
    ingested = json.loads(done.stdout)
    assert done.returncode == 0
    assert ingested["dataset"] == "x"
    assert open_store(store).exists(open_store(store).key(ingested["manifest_uri"]))
    assert (
        sum(ingested["counts"]["train"].values()) + sum(ingested["counts"]["test"].values()) < ingested["images"] == 16
    )
    assert [path for path, _ in ingested["skipped"]] == ["good/broken.png"]
    assert "broken.png" in done.stderr


def test_shares_reach_the_split(photos: Path, tmp_path: Path) -> None:
    arguments = ("--test-share", "0.4", "--validation-share", "0.2", "--json")
    ingested = json.loads(defectory("ingest", str(photos), "--name", "x", *arguments, cwd=tmp_path).stdout)
    assert sum(ingested["counts"]["test"].values()) == 6


def test_what_a_split_lacks_is_said_while_it_can_be_mended(photos: Path, tmp_path: Path) -> None:
    rows = [f"{label}/{n}.png,{label},{label}{n}" for label in ("good", "defect") for n in range(8)]
    splits = {"good": ("train", "validation", "test"), "defect": ("train", "train", "validation")}
    rows = [f"{row},{splits[row.partition('/')[0]][number % 3]}" for number, row in enumerate(rows)]
    (photos / "list.csv").write_text("image,label,group,split\n" + "\n".join(rows))
    arguments = ("--name", "x", "--store", f"file://{tmp_path}/store")
    done = defectory("ingest", str(photos / "list.csv"), *arguments)
    assert "! the test split has no image of defect" in done.stderr
    assert "split has no image of good" not in done.stderr


def test_what_is_recognised_is_said_first_and_a_dry_run_makes_nothing(photos: Path, tmp_path: Path) -> None:
    (photos / "no_label").mkdir()
    (photos / "no_label/x.png").write_bytes((photos / "good/0.png").read_bytes())
    said = defectory("ingest", str(photos), "--dry-run", cwd=tmp_path).stdout
    assert "layout  folders: its class folders are defect, good" in said
    assert "labels  good 9 (no defect), defect 8" in said
    assert "! left out: 1 file, its folder says that it has no label (no_label/x.png)" in said
    summary = json.loads(defectory("ingest", str(photos), "--dry-run", "--json", cwd=tmp_path).stdout)
    assert (summary["layout"], summary["good"], summary["labels"]) == ("folders", "good", {"good": 9, "defect": 8})
    assert not (tmp_path / ".defectory").exists()
    done = defectory("ingest", str(photos), "--name", "x", cwd=tmp_path)
    assert re.search(r"^train +\d+ defect, \d+ good, of \d+ parts$", done.stdout, re.MULTILINE)
    assert "{" not in done.stdout
    before = [line for line in said.splitlines() if not line.startswith("groups")]  # which ingest has found meanwhile
    assert [line for line in before if line.strip() not in done.stderr] == []
    assert done.stderr.index("layout  folders") < done.stderr.index("files were skipped")


def test_a_folder_of_two_readings_is_refused_with_the_option_that_chooses(photos: Path, tmp_path: Path) -> None:
    for label in ("good", "defect"):
        (tmp_path / "two/right" / label).mkdir(parents=True)
        (tmp_path / "two/right" / label / "z.png").write_bytes((photos / label / "1.png").read_bytes())
    photos.rename(tmp_path / "two/left")
    for command in (("ingest", "--name", "x"), ("run", "--dry-run")):
        refused = defectory(command[0], str(tmp_path / "two"), *command[1:], cwd=tmp_path)
        assert refused.returncode == EXIT_CODES[InvalidInput]
        assert "--layout folders" in refused.stderr
        assert "--layout inner-folders" in refused.stderr
    plan = defectory("run", str(tmp_path / "two"), "--dry-run", "--layout", "inner-folders", "--json", cwd=tmp_path)
    assert json.loads(plan.stdout)["source"]["labels"] == {"good": 10, "defect": 9}


def test_binary_labels_that_turn_into_kinds_are_said_and_good_can_be_named(photos: Path, tmp_path: Path) -> None:
    (photos / "good").rename(photos / "scratch")
    said = defectory("ingest", str(photos), "--dry-run", cwd=tmp_path).stdout
    assert "no label means a good part, so binary labels turn into kinds: defect, scratch; --good LABEL" in said
    arguments = ("--name", "x", "--good", "scratch", "--json")
    ingested = json.loads(defectory("ingest", str(photos), *arguments, cwd=tmp_path).stdout)
    assert ingested["labels"] == ["defect", "good"]


def test_one_label_is_ingested_and_the_line_asks_for_two(photos: Path, tmp_path: Path) -> None:
    (photos / "defect").rename(tmp_path / "elsewhere")
    done = defectory("ingest", str(photos), "--name", "x", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["labels"] == ["good"]
    assert "enough for a generator, not for a classifier" in done.stderr
    refused = defectory("run", str(photos), "--preset", "demo", "--allow-random-weights", cwd=tmp_path)
    assert refused.returncode == EXIT_CODES[InvalidInput]
    assert "all photographs are labelled good, and the line compares classifiers" in refused.stderr


def test_the_store_is_a_folder_here_unless_told_otherwise(photos: Path, tmp_path: Path) -> None:
    by_default = json.loads(defectory("ingest", str(photos), "--name", "x", "--json", cwd=tmp_path).stdout)
    assert by_default["manifest_uri"].startswith(f"file://{tmp_path.resolve()}/.defectory/")
    environ = {"DEFECTORY_STORE": f"file://{tmp_path}/other"}
    ingested = json.loads(defectory("ingest", str(photos), "--name", "x", "--json", cwd=tmp_path, **environ).stdout)
    assert ingested["manifest_uri"].startswith(f"file://{tmp_path}/other/")


def test_a_dry_run_says_what_would_run_and_makes_nothing(photos: Path, tmp_path: Path) -> None:
    done = defectory("run", str(photos), "--dry-run", "--json", cwd=tmp_path)
    plan = json.loads(done.stdout)["plan"]
    assert [(d["step"], d["action"]) for d in plan][:2] == [("ingest", "run"), ("baseline", "run")]
    assert not list(open_store(f"file://{tmp_path}/.defectory").list())
    said = defectory("run", str(photos), "--dry-run", cwd=tmp_path).stdout
    assert re.search(r"^step +action$", said, re.MULTILINE), "what was never done has no reason to be listed"


def test_settings_are_set_by_path_and_the_advised_options_are_ones_of_run(photos: Path, tmp_path: Path) -> None:
    (photos / "parts.csv").write_text("image,group\n")
    settings = read_run_settings(
        photos,
        "",
        "",
        False,
        {"validation_share": 0.2},
        ("generator.kimg=1", "data.validation_share=0.4"),
    )
    assert (settings.preset, settings.generator.kimg, settings.generator.transfer_kimg) == ("quick", 1, 1)
    assert settings.data.validation_share == 0.4
    options = ("--validation-share", "0.4", "--test-share", "0.2", "--fit", "pad", "--labels", "kinds")
    done = defectory("run", str(photos), "--dry-run", *options, "--set", "seed=3", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wrong = defectory("run", str(photos), "--dry-run", "--set", "generator.kimgs=1", cwd=tmp_path)
    assert wrong.returncode == EXIT_CODES[InvalidInput]
    assert wrong.stderr.count("did you mean `generator.kimg`?") == 1


def test_paths_that_are_set_are_relative_to_where_the_command_was_typed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read_run_settings(photos, "demo", "", False, {}, ("data.groups=parts.csv",))
    assert settings.data.groups == str(tmp_path.resolve() / "parts.csv")


@pytest.mark.parametrize(
    ("command", "typed", "said"),
    [
        ("run", "photo", "there is no folder or pipeline file `photo`; did you mean `photos`?"),
        ("run", "line.yml", "there is no folder or pipeline file `line.yml`; did you mean `line.yaml`?"),
        ("ingest", "Fotos", "there is no folder or table `Fotos`; did you mean `photos`?"),
        ("ingest", "elsewhere/x", "there is no folder or table `elsewhere/x`\n"),
    ],
)
def test_what_is_not_there_names_what_is_alike(command: str, typed: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "line.yaml").write_text("data: {directory: photos}")
    done = defectory(command, typed, "--dry-run", cwd=tmp_path)
    assert done.returncode == EXIT_CODES[NotFound]
    assert said in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, EVICTED)])
def test_a_signal_is_answered_with_the_command_that_goes_on(number: signal.Signals, code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "orchestrator.cli.main", "up", "--any-port", "--store", str(tmp_path / "a store")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "starting generator …\n"
        process.send_signal(number)
        said = process.communicate(timeout=PATIENT_S)[1]
    assert process.returncode == code
    assert "Traceback" not in said
    assert said.splitlines()[-2] == "stopped; the same command goes on where this one was:"
    typed = f"{sys.executable} -m orchestrator.cli.main up --any-port --store '{tmp_path}/a store'"
    assert said.splitlines()[-1] == f"  {typed}"


def test_cables_are_drawn(tmp_path: Path) -> None:
    done = defectory("cables", str(tmp_path / "c"), "--good", "2", "--defect", "1", "--size", "64", "--json")
    assert json.loads(done.stdout)["counts"] == {"good": 2, "defect": 1}
    assert len(list((tmp_path / "c").rglob("train/good/*.png"))) == 2


def test_empty_lists_are_lists(tmp_path: Path) -> None:
    open_store(f"file://{tmp_path}/.defectory")
    for command in ("generator", "classifier"):
        done = defectory(command, "list", "--json", cwd=tmp_path)
        assert json.loads(done.stdout) == {f"{command}s": []}
    assert json.loads(defectory("operations", "list", "--json", cwd=tmp_path).stdout) == {"operations": []}


def test_operations_are_listed_with_their_times_and_progress_and_one_that_is_none_hides_no_other(
    tmp_path: Path,
) -> None:
    store = open_store(f"file://{tmp_path}/store")
    begun = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    failed = base64.b64encode(status_pb2.Status(message="too few images").SerializeToString()).decode()
    for service, name, created, state, status in (
        ("generator", "later", begun + timedelta(hours=1), State.UNFINISHED, ""),
        ("generator", "earlier", begun, State.FAILED, failed),
        ("generator-b", "other", begun, State.SUCCEEDED, ""),
    ):
        record = OperationRecord(id=name, job="m:f", request="", created=created, state=state, status=status)
        write_record(store, service, record)
    progress = ProgressRecord(stage="training", done=3, total=9, unit="images", updated=begun + timedelta(minutes=1))
    store.put("operations/generator/later/progress.json", progress.model_dump_json().encode())
    store.put("operations/generator/damaged.json", b"{")
    done = defectory("operations", "list", "--service", "generator", "--json", "--store", store.url)
    damaged, earlier, later = json.loads(done.stdout)["operations"]
    assert (damaged["operation"], damaged["state"]) == ("operations/generator/damaged", "unreadable")
    assert (earlier["state"], earlier["error"], earlier["created"]) == (
        "failed", "too few images", "2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    assert (later["stage"], later["done"], later["updated"]) == (
        "training", "3 of 9 images", "2026-01-02T03:05:05+00:00",
    )  # fmt: skip
    shown = defectory("operations", "list", "--store", store.url).stdout
    assert all(text in shown for text in ("operations/generator-b/other", "3 of 9 images", "too few images"))
    assert "progress" not in shown


def test_an_operation_is_cancelled_by_the_name_that_the_list_shows(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    write_record(store, "filter", OperationRecord(id="a-1", job="m:f", request="", created=datetime.now(UTC)))
    (row,) = json.loads(defectory("operations", "list", "--store", store.url, "--json").stdout)["operations"]
    for _ in range(2):
        done = defectory("operations", "cancel", row["operation"], "--store", store.url, "--json")
        assert json.loads(done.stdout) == {
            "operation": "operations/filter/a-1",
            "cancelled": True,
            "state": "cancelled",
        }
    missing = defectory("operations", "cancel", "operations/filter/a-2", "--store", store.url)
    assert missing.returncode == 4, missing.stderr


def test_cards_that_are_none_are_named_and_hide_no_other(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    for name, card in (
        ("empty", b"[]"), ("deep", b'{"a":' * 100_000), ("odd", b'{"architecture": []}'),
        ("whole", b'{"architecture": {"input_px": 32}}'),
    ):  # fmt: skip
        store.put(f"models/classifier/{name}/1/model.json", card)
    done = defectory("classifier", "list", "--store", store.url, "--json")
    assert [row["name"] for row in json.loads(done.stdout)["classifiers"]] == ["odd", "whole"]
    assert "empty/1" in done.stderr
    assert "deep/1" in done.stderr
    done = defectory("classifier", "show", "empty", "--store", store.url)
    assert done.returncode == 8, done.stderr
    assert "Traceback" not in done.stderr


def test_options_of_serve_reach_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(os, "execve", lambda _, command, __: started.extend(command))
    arguments = ("--queue", "8", "--poll-s", "0.5", "--threads", "2", "--model", "a", "--model", "b=3")
    done = CliRunner().invoke(app, ["serve", "classifier", "--store", "memory://", *arguments])
    assert done.exit_code == 0, done.output
    settings = read_settings("classifier", ClassifierSettings, started[3:], {})
    assert (settings.queue, settings.poll_s, settings.threads, settings.models) == (8, 0.5, 2, "a,b=3")


def test_doctor_finds_a_store_that_ignores_conditional_writes(
    tmp_path: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor._store(s3_url).state == "note", "there is none yet"
    assert not list(open_store(s3_url).list())
    assert doctor._store(s3_url).state == "ok"
    assert not list(open_store(s3_url).list())
    careless = open_store("memory://")
    put = careless.put
    monkeypatch.setattr(careless, "put", lambda key, data, *, if_absent=False: put(key, data))
    monkeypatch.setattr(doctor, "opened", lambda url: careless)
    finding = doctor._store("s3://careless")
    assert finding.state == "wrong"
    assert "If-None-Match" in finding.observed
    assert not list(careless.list())


def test_doctor_needs_no_imagenet_weights_where_the_starter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEFECTORY_WEIGHTS", "DEFECTORY_SHARED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    absent = doctor._weights("")
    assert (absent.state, "costs more than any setting" in absent.observed) == ("note", True)
    assert "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5" in absent.mend
    assert "--weights FILE" in absent.mend
    assert doctor._weights("starter").state == "ok"
    assert doctor._weights(str(tmp_path / "starter")).state == "wrong"
    assert (weights_file("starter"), weights_file("x.h5")) == ("starter", str(tmp_path / "x.h5"))


def test_doctor_finds_this_machine_well_and_a_bad_store_wrong(tmp_path: Path) -> None:
    done = defectory("doctor", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] is True
    (tmp_path / "file").write_text("")
    done = defectory("doctor", "--store", f"file://{tmp_path}/file/store", "--json", cwd=tmp_path)
    wrong = [f for f in json.loads(done.stdout)["findings"] if f["state"] == "wrong"]
    assert [f["what"] for f in wrong] == ["store"]
    assert wrong[0]["mend"]
    assert done.returncode == 6


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("bake",), 2),
        (("ingest",), 2),
        (("ingest", "x", "--seed", "big", "--name", "x"), 2),
        (("ingest", "x", "--fit", "melt", "--name", "x"), 2),
        (("run", "x", "--test-share", "0.9"), 2),
        (("serve", "oven"), 3),
        (("run",), 3),
        (("run", ".", "--preset", "fast"), 3),
        (("run", ".", "--from", "bake", "--dry-run"), 3),
        (("generator", "train", "none", "--label", "good", "--name", "g"), 4),
        (("generator", "show", "none"), 4),
        (("generator", "preview", "--model", "g", "--seeds", "9-1"), 3),
        (("generator", "preview", "--model", "g", "--seeds", "1-"), 3),
        (("generator", "synthesize", "--model", "g", "--seeds", "9" * 5000), 3),
        (("generator", "synthesize", "--model", "g", "--seeds", "4294967296"), 3),
        (("generator", "synthesize", "--model", "g", "--seeds", "1", "--count", "2"), 3),
        (("generator", "export", "none"), 4),
        (("generator", "project", "no.png", "--model", "none"), 4),
        (("classifier", "evaluate", "none", "--dataset", "none"), 4),
        (("classifier", "classify", "none", "no.png"), 4),
        (("filter", "none", "--real", "x", "--judge", "y", "--out", "z"), 4),
        (("report", "none"), 4),
        (("operations", "cancel", "it"), 3),
        (("doctor", "--store", "ftp://x"), 6),
        (("generator", "list", "--store", "ftp://x"), 3),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    done = defectory(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def whole_numbers() -> Iterator[tuple[str, OptionInfo]]:
    """The options that take one and are no setting's, of the commands that send them to a service as they are."""
    registered = [*projecting.app.registered_commands, *get_group(classifier.app).commands.values()]
    for command in (explain, *(unwrap(known.callback) for known in registered)):
        for name, hint in get_type_hints(command, include_extras=True).items():
            kind, *metadata = get_args(hint) or (hint,)
            if kind is int or int in get_args(kind):
                yield name, metadata[0]


def test_every_whole_number_has_a_range_that_its_message_holds() -> None:
    options = list(whole_numbers())
    assert len(options) > 8
    for name, option in options:
        assert option.min is not None, name
        assert option.max is not None, name
        assert option.max < (2**63 if name in ("seed", "first_seed") else 2**31), name


@pytest.mark.parametrize(
    ("arguments", "field", "right"),
    [
        (("synthesize", "--model", "g", "--count", "3000000000"), "--count", "1000000"),
        (("train", "d", "--name", "g", "--label", "l", "--resolution", "5000000000"), "--resolution", "1024"),
        (("train", "d", "--name", "g", "--label", "l", "--seed", str(2**63)), "--seed", "9223372036854775807"),
        (("synthesize", "--model", "g", "--seeds", "9" * 20), "seeds", "each from 0 to 4294967295"),
        (("mix", "g", "--styles", "18"), "styles", "each from 0 to 17"),
        (("preview", "--model", "g", "--seeds", "0-999999,1"), "seeds", "at most a million"),
    ],
)
def test_numbers_out_of_range_are_told_with_the_right_one(
    arguments: tuple[str, ...], field: str, right: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no store is
    done = CliRunner().invoke(app, ["generator", *arguments])
    said = done.stderr if isinstance(done.exception, SystemExit) else str(done.exception)
    assert isinstance(done.exception, SystemExit | InvalidInput)
    assert field in said
    assert right in said


def test_an_error_is_one_object_with_its_fields(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("data: {directory: x, tile_px: -3}\nfilter: {threshold: 2}")
    done = defectory("run", "p.yaml", "--json", cwd=tmp_path)
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "InvalidInput"
    assert set(error["fields"]) == {"data.tile_px", "filter.threshold"}
    assert "filter.threshold" in done.stderr


def test_every_error_class_has_a_code_of_its_own() -> None:
    from defectory.errors import DefectoryError

    assert set(EXIT_CODES) == set(DefectoryError.__subclasses__())
    assert len(set(EXIT_CODES.values()) - {0, 1, 2}) == len(EXIT_CODES)


def test_help_loads_no_framework() -> None:
    program = (
        "import sys; sys.argv = ['defectory', 'run', '--help']\n"
        "from orchestrator.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'tensorflow', 'cv2', 'matplotlib', 'scipy', 'numpy', 'grpc'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True).returncode == 0


def test_the_pages_are_fresh() -> None:
    assert (ROOT / "docs/cli.md").read_text() == cli_page(), "run `make docs`"
    assert (ROOT / "docs/ingest.md").read_text() == ingest_page(), "run `make docs`"
    assert (ROOT / "docs/pipeline.md").read_text() == pipeline_page(), "run `make docs`"
    assert (ROOT / "docs/settings.md").read_text() == settings_page(), "run `make docs`"


def test_every_command_shows_an_example() -> None:
    sections = [part.splitlines() for part in cli_page().split("\n## ")[2:]]
    commands = [lines for lines in sections if not any("COMMAND" in line for line in lines)]
    assert len(commands) > 20
    for name, *lines in commands:
        assert any(line.startswith(f"  {name} ") or line == f"  {name}" for line in lines), name


def test_versions_are_labelled(tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"
    open_store(store).put("models/classifier/parts/3/model.json", b"{}")
    done = defectory("classifier", "label", "parts/3", "stable", "--store", store, "--json")
    assert json.loads(done.stdout) == {"model": "parts", "labels": {"stable": "3"}}
    done = defectory("classifier", "label", "parts", "stable", "--remove", "--store", store, "--json")
    assert json.loads(done.stdout) == {"model": "parts", "labels": {}}
    missing = defectory("classifier", "label", "parts/4", "stable", "--store", store, "--json")
    assert json.loads(missing.stdout)["error"]["kind"] == "NotFound"


def test_the_page_on_the_architecture_names_the_steps_of_the_line() -> None:
    page = (ROOT / "docs/architecture.md").read_text().partition("\nSteps: ")[2].partition(". ")[0]
    named = [part.split()[0] for part in re.sub(r"\([^)]*\)", "", page).split("→")]
    assert named == [step.name for step in line_of(DEFAULT_ARMS)]
