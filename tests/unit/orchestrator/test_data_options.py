"""The settings of the data are options of `ingest` and `run`, all of them; a run takes from them only what is given."""

import inspect
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from defectory.storage import open_store
from orchestrator.cli.ingest import ingest
from orchestrator.cli.main import app
from orchestrator.cli.run import run
from orchestrator.pipeline.data_settings import DataSettings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three grey good parts and three defective ones, of 16 px, in `photos`; commands are typed beside it."""
    for number, label in enumerate(["good", "good", "good", "defect", "defect", "defect"]):
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), number * 40).save(tmp_path / f"photos/{label}/{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEFECTORY_STORE", raising=False)
    return tmp_path


def test_every_setting_of_the_data_but_its_folder_is_an_option() -> None:
    settings = set(DataSettings.model_fields) - {"directory"}
    called = {"test_augmentations": "test_augmentation"}
    for command, names in ((ingest, called), (run, {**called, "seed": "split_seed"})):
        parameters = set(inspect.signature(command).parameters)
        assert {names.get(name, name) for name in settings} <= parameters


def test_a_run_takes_what_is_given_over_its_file_also_where_that_is_a_default(folder: Path) -> None:
    (folder / "line.yaml").write_text("data: {directory: photos, masks: all, tile_px: 8, seed: 7, test_share: 0.2}")
    given = ["--masks", "auto", "--tile-px", "0", "--split-seed", "0", "--test-augmentation", "rotate+5"]
    done = CliRunner().invoke(app, ["run", "line.yaml", *given, "--write", "written.yaml"])
    assert done.exit_code == 0, done.output
    written = yaml.safe_load((folder / "written.yaml").read_text())["data"]
    assert (written["masks"], written["tile_px"], written["seed"]) == ("auto", 0, 0)
    assert (written["test_augmentations"], written["test_share"]) == (["rotate+5"], 0.2)


def test_ingest_grows_the_test_split_by_the_copies_that_are_given(folder: Path) -> None:
    given = ["--grow-test-to", "3", "--test-augmentation", "mirror-x", "--test-augmentation", "darker"]
    done = CliRunner().invoke(app, ["ingest", "photos", "--name", "x", "--test-share", "0.3", *given])
    assert done.exit_code == 0, done.output
    store = open_store(f"file://{folder}/.defectory")
    manifest = store.get("datasets/x/manifest.jsonl").decode()
    assert "mirror-x" in manifest or "darker" in manifest
    assert "rotate-180" not in manifest
