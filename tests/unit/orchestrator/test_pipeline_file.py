"""The pipeline file that `run --write` writes: it says what would run, and what each setting is."""

from pathlib import Path

import pytest

from defectory.errors import InvalidInput
from orchestrator.cli.pipeline_file import pipeline_text, write_pipeline_file
from orchestrator.cli.run import read_settings
from orchestrator.pipeline.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_it_runs_to_what_was_written(preset: str, tmp_path: Path) -> None:
    (tmp_path / "Fotos: der Teile").mkdir()
    given = ("generator.kimg=1", "synthesis.quotas.defect=20", "generator.learning_rate=1e-5", "data.good='no'",
             "arms=[baseline, {name: rare, trains_on: balanced, classifier: {epochs: 3}}]", "generator.r1_gamma=null",
             "allow_random_weights=true", "data.groups=parts.csv", "costs.escape=20")  # fmt: skip
    settings = read_settings(tmp_path / "Fotos: der Teile", preset, "mine", False, {}, given)
    write_pipeline_file(settings, tmp_path / "line.yaml")
    assert read_settings(tmp_path / "line.yaml", "", "", False) == settings


def test_a_setting_stands_below_its_sentence_and_range(tmp_path: Path) -> None:
    settings = read_settings(tmp_path, "quick", "", False)
    lines = pipeline_text(settings, tmp_path).splitlines()
    place = lines.index("  transfer_kimg: 15.0")
    assert lines[place - 1].startswith("  # kimg of the labels that start from another's generator")
    assert lines[place - 1].endswith("[0.001 to 100000]")
    assert lines[lines.index("  ship: best") - 1].endswith("[best, last]")
    assert "  # Which synthetic images are kept." not in lines
    assert lines[lines.index("filter:") - 1] == "# Which synthetic images are kept."
    assert max(map(len, lines)) <= 120


def test_a_folder_beside_the_file_is_named_from_it_and_another_in_full(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    settings = read_settings(tmp_path / "photos", "quick", "", False)
    assert "  directory: photos" in pipeline_text(settings, tmp_path).splitlines()
    assert f"  directory: {tmp_path / 'photos'}" in pipeline_text(settings, tmp_path / "else").splitlines()


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    settings = read_settings(tmp_path, "quick", "", False)
    (tmp_path / "line.yaml").write_text("mine")
    with pytest.raises(InvalidInput, match="is there already"):
        write_pipeline_file(settings, tmp_path / "line.yaml")
    assert (tmp_path / "line.yaml").read_text() == "mine"
