"""The named commands on a snapshot of the reference: its pictures come out, with no service running, no store yet."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from defectory.imaging import decode
from orchestrator.cli.main import app
from tests.unit.generator.reference_pickles import PLAIN, SEEDS, made_by_the_reference, needs_reference


@needs_reference
def test_an_imported_snapshot_makes_the_references_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the store is the folder .defectory here
    for name in ("DEFECTORY_STORE", "DEFECTORY_GENERATOR_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    file = made_by_the_reference(tmp_path, {**PLAIN, "fp16": 4, "clamp": 256})

    def defectory(command: str) -> dict[str, object]:
        done = CliRunner().invoke(app, ["generator", *command.split(), "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        printed: dict[str, object] = json.loads(done.stdout)
        return printed

    assert defectory(f"import {file.name} --name official --label face")["model"] == "official/1"
    look = "--truncation-psi 0.7 --noise const"
    defectory(f"synthesize --model official --seeds 0-9,42 {look} --out plain")
    defectory(f"synthesize --model official --seeds 0-9,42 {look} --truncation-cutoff 5 --out cut")
    for folder, cutoff in (("plain", None), ("cut", 5)):
        files = [tmp_path / folder / f"seed{seed:06d}.png" for seed in SEEDS]
        assert sorted(files) == sorted((tmp_path / folder).iterdir())
        ours = np.stack([np.asarray(decode(x.read_bytes())) for x in files]).astype(int)
        theirs = np.load(tmp_path / f"const-{cutoff}.npy")
        assert theirs.std() > 20
        assert np.abs(ours - theirs).max() <= 1
