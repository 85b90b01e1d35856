"""What a person names that is not there, or is something else: he is told what he may have meant, in his own words."""

from pathlib import Path

import pytest
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
