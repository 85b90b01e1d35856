"""What a person names that is not there, or is something else: he is told what he may have meant, in his own words."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from defectory.errors import DefectoryError, InvalidInput, NotFound
from defectory.storage import ObjectStore, open_store
from orchestrator.cli.main import app
from orchestrator.cli.output import emit_error
from tests.contract.datasets import make_dataset


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path}/a store")
    store.put("models/classifier/screws/1/model.json", b"{}")
    store.put("runs/photos/pipeline.json", b"{}")
    store.put("runs/photos/command.json", b"{}")
    make_dataset(store)
    return store


def error_of(store: ObjectStore, *arguments: str) -> DefectoryError:
    with pytest.raises(DefectoryError) as caught:
        CliRunner().invoke(app, [*arguments, "--store", store.url], catch_exceptions=False)
    return caught.value


def test_a_name_that_is_not_there_names_the_one_that_is_alike(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEFECTORY_CLASSIFIER_ADDRESS", raising=False)
    (tmp_path / "part.png").write_bytes(b"")
    picture = str(tmp_path / "part.png")
    dataset = next(iter(store.list("datasets/"))).key.split("/")[1]
    for arguments, meant in (
        (("classifier", "show", "screw"), "screws"),
        (("classifier", "classify", "screw", picture), "screws"),
        (("report", "photo"), "photos"),
        (("open", "photo"), "photos"),
        (("dataset", "groups", dataset + "s"), dataset),
    ):
        error = error_of(store, *arguments)
        assert isinstance(error, NotFound)
        assert str(error).endswith(f"; did you mean {meant!r}?"), arguments
    assert "did you mean" not in str(error_of(store, "classifier", "show", "bolts"))
    assert not list((tmp_path / "a store").glob("logs/*")), "no service is started to learn that there is no such model"


def test_a_picture_is_no_pipeline_file(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "part.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    error = error_of(store, "run", str(tmp_path / "part.jpg"), "--dry-run")
    assert isinstance(error, InvalidInput)
    assert "give a pipeline file, or, of photographs, their folder" in str(error)


def test_a_person_reads_paths_where_a_store_is_a_folder(
    store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    emit_error(error_of(store, "classifier", "show", "screw"), as_json=False)
    said = capsys.readouterr().err
    assert said == f"error: there is no classifier 'screw' in {tmp_path}/a store; did you mean 'screws'?\n"


PATHS = ("gone.png", "shots/gone.png", "shots/", "/gone/part.png", "../gone.png", "photos/")


@pytest.mark.parametrize("path", PATHS)
def test_a_path_in_place_of_a_name_is_answered_in_its_own_words(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    dataset = next(iter(store.list("datasets/"))).key.split("/")[1]
    commands = [
        ("dataset", "show", path), ("dataset", "groups", path), ("dataset", "fold", path),
        ("dataset", "decisions", path), ("dataset", "diff", dataset, path), ("edit", "export", path, "--out", "o"),
        ("generator", "train", path, "--label", "a", "--name", "n"),
        ("classifier", "train", path, "--name", "n"), ("classifier", "evaluate", "screws", "--dataset", path),
        ("filter", path, "--real", dataset, "--judge", "screws", "--out", "o"),
        ("report", path), ("review", path), ("open", path), ("classifier", "show", path), ("generator", "show", path),
    ]  # fmt: skip
    if path != "photos/":
        commands += [("explain", path, "--model", "screws"), ("classifier", "classify", "screws", path)]
    for command in commands:
        said = str(error_of(store, *command))
        assert path.split("/")[0] in said, command
        assert not any(word in said for word in ("is not a key", ".json", "datasets/", "runs/")), (command, said)


def test_a_picture_or_file_that_is_not_there_names_the_one_beside_it(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("part1.png", "spec.yaml"):
        (tmp_path / name).write_bytes(b"")
    for command, meant in (
        (("explain", "part11.png", "--model", "screws"), "part1.png"),
        (("classifier", "classify", "screws", "part11.png"), "part1.png"),
        (("experiment", "spce.yaml"), "spec.yaml"),
        (("edit", "recipe", "spce.yaml", "parts", "--name", "n"), "spec.yaml"),
    ):
        assert str(error_of(store, *command)).endswith(f"; did you mean `{meant}`?"), command
    for command in (("experiment", "."), ("edit", "recipe", ".", "parts", "--name", "n")):
        assert str(error_of(store, *command)).endswith(", such as spec.yaml"), command


def test_explaining_by_a_model_that_is_not_there_starts_no_service(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEFECTORY_EXPLAINER_ADDRESS", raising=False)
    (tmp_path / "part.png").write_bytes(b"")
    error = error_of(store, "explain", str(tmp_path / "part.png"), "--model", "screw")
    assert str(error).endswith("; did you mean 'screws'?")
    assert not list((tmp_path / "a store").glob("logs/*"))


def test_a_classifier_that_people_serve_is_meant_before_the_judge_of_its_run(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    folds = {"demo.judge": {"folds": 2}, "demo.expanded": {"folds": 0}, "demo.baseline": {}}
    for name, settings in folds.items():
        store.put(f"models/classifier/{name}/1/model.json", json.dumps({"settings": settings}).encode())
    said = str(error_of(store, "classifier", "show", "demo"))
    assert said.endswith("; did you mean 'demo.baseline', 'demo.expanded' or 'demo.judge'?")
    assert str(error_of(store, "classifier", "show", "demo.expande")).endswith("; did you mean 'demo.expanded'?")
    store.put("models/classifier/demo.raw/1/model.json", b"{}")  # whose name comes after the judge's
    said = str(error_of(store, "classifier", "show", "demo"))
    assert said.endswith("; did you mean 'demo.baseline', 'demo.expanded' or 'demo.raw'?")


READING = (
    ("runs",), ("status",), ("logs", "classifier"), ("models", "list"), ("dataset", "list"), ("dataset", "show", "x"),
    ("dataset", "diff", "x", "y"), ("dataset", "groups", "x"), ("dataset", "fold", "x"), ("dataset", "decisions", "x"),
    ("dataset", "export", "x", "--format", "csv", "--out", "o"), ("classifier", "list"), ("classifier", "show", "x"),
    ("classifier", "label", "x/1", "stable"), ("generator", "list"), ("generator", "show", "x"), ("open", "x"),
    ("operations", "list"), ("operations", "cancel", "operations/filter/x"), ("report", "x"), ("review", "x"),
    ("classifier", "classify", "x", "part.png"), ("explain", "part.png", "--model", "x"),
    ("classifier", "evaluate", "x", "--dataset", "x"), ("classifier", "train", "x", "--name", "n"),
    ("classifier", "calibrate", "x", "--dataset", "x"), ("classifier", "export", "x", "--format", "onnx"),
    ("generator", "train", "x", "--label", "a", "--name", "n"), ("generator", "synthesize", "--model", "x"),
    ("generator", "metrics", "x", "--dataset", "x"), ("generator", "mix", "x"),
    ("generator", "preview", "--model", "x", "--out", "o"), ("generator", "project", "part.png", "--model", "x"),
    ("generator", "export", "x"), ("generator", "interpolate", "x"),
    ("filter", "x", "--real", "x", "--judge", "x", "--out", "o"), ("edit", "export", "x", "--out", "o"),
)  # fmt: skip


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_command_that_needs_a_store_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    for name in ("DEFECTORY_STORE", "DEFECTORY_CLASSIFIER_ADDRESS", "DEFECTORY_EXPLAINER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.png").write_bytes(b"")
    open_store(f"file://{tmp_path}/store").put("runs/a/pipeline.json", b"{}")
    before = sorted(tmp_path.rglob("*"))
    for arguments, said in (
        (["--store", "stroe"], f"there is no store at file://{tmp_path}/stroe; did you mean {tmp_path}/store?"),
        (["--store", "bolts"], f"there is no store at file://{tmp_path}/bolts; `defectory run` and"),
        ([], f"there is no store at file://{tmp_path}/.defectory; `defectory run` and"),
    ):
        with pytest.raises(NotFound) as caught:
            CliRunner().invoke(app, [*command, *arguments], catch_exceptions=False)
        assert str(caught.value).startswith(said)
    assert sorted(tmp_path.rglob("*")) == before


def test_looking_at_what_a_run_would_do_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for label, count in (("good", 12), ("bad", 6)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(count):
            grey = np.random.default_rng(i + ord(label[0])).integers(0, 256, (80, 80), np.uint8)
            Image.fromarray(grey).save(tmp_path / "photos" / label / f"{i}.png")
    done = CliRunner().invoke(app, ["run", "photos", "--dry-run", "--store", "new"], catch_exceptions=False)
    assert "ingest" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    doctor = CliRunner().invoke(app, ["doctor", "--store", "new"])
    assert f"note  store: there is none at {tmp_path}/new yet" in doctor.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    "command",
    [
        ("run", "photos", "--dry-run", "--name", "fresh:x"), ("ingest", "photos", "--dry-run", "--name", "fresh:x"),
        ("ingest", "photos", "--name", "fresh:x"), ("classifier", "train", "parts", "--name", "fresh:x"),
        ("generator", "train", "parts", "--label", "good", "--name", "fresh:x"),
        ("generator", "import", "part.pkl", "--name", "fresh:x"),
        ("generator", "synthesize", "--model", "screws", "--dataset", "fresh:x"),
        ("filter", "parts", "--real", "parts", "--judge", "screws", "--out", "fresh:x"),
        ("edit", "recipe", "recipe.yaml", "parts", "--name", "fresh:x"),
        ("edit", "import", "by-hand", "--name", "fresh:x"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_name_that_is_none_is_refused_before_anything_is_read(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "part.pkl").write_bytes(b"")
    error = error_of(store, *command)
    assert isinstance(error, InvalidInput)
    assert "'fresh:x' is not a" in str(error)
    assert not list((tmp_path / "a store").glob("logs/*"))


def test_training_from_a_model_that_is_not_there_starts_no_service(store: ObjectStore, tmp_path: Path) -> None:
    dataset = next(iter(store.list("datasets/"))).key.split("/")[1]
    store.put("models/generator/tiles/1/model.json", b"{}")
    error = error_of(store, "generator", "train", dataset, "--label", "good", "--name", "n", "--init", "tile")
    assert str(error).endswith("; did you mean 'tiles'?")
    assert not list((tmp_path / "a store").glob("logs/*"))


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("explain", "{picture}", "--model", "screws", "--split", "tset"), "test"),
        (("classifier", "evaluate", "screws", "dataset", "--split", "tran"), "train"),
        (("classifier", "export", "screws", "--format", "onx"), "onnx"),
        (("dataset", "export", "dataset", "--format", "coco", "--origin", "reel", "--out", "x"), "real"),
    ],
)
def test_a_choice_names_the_one_that_is_alike(
    store: ObjectStore, tmp_path: Path, arguments: tuple[str, ...], meant: str
) -> None:
    (tmp_path / "part.png").write_bytes(b"")
    typed = [one.format(picture=tmp_path / "part.png") for one in arguments]
    answer = CliRunner().invoke(app, [*typed, "--store", store.url])
    assert answer.exit_code == 2
    assert f"did you mean '{meant}'?" in answer.output
    assert "Value error" not in answer.output


def test_a_preset_and_a_setting_name_the_choice_that_is_alike(store: ObjectStore, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "part.png")
    assert "did you mean 'quick'?" in str(error_of(store, "run", str(tmp_path), "--preset", "quik", "--dry-run"))
    assert "did you mean 'best'?" in str(error_of(store, "run", str(tmp_path), "--set", "classifier.recipe=bst"))
