"""Commands that a person is told to type are called as this one was."""

import shlex
import sys
from pathlib import Path

import pytest

from defectory.errors import FailedPrecondition
from orchestrator.cli.output import emit, emit_error
from orchestrator.cli.program import as_typed, program
from orchestrator.pipeline.run_record import TypedCommand


def test_the_program_is_called_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "my venv/bin/defectory"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert program([str(script)]) == shlex.quote(str(script))
    assert program([".venv/bin/defectory"]) == ".venv/bin/defectory"
    monkeypatch.setenv("PATH", str(script.parent))
    assert program([str(script)]) == "defectory", "a shell finds it"
    module = "/src/orchestrator/cli/main.py"
    assert program([module], ["python3", "-m", "orchestrator.cli.main"]) == "python3 -m orchestrator.cli.main"
    assert program(["/usr/bin/pytest"]) == "defectory"


def test_what_is_printed_names_it_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/defectory", "runs"])
    monkeypatch.setenv("PATH", "/nowhere")
    emit({}, as_json=False, text="`defectory runs` lists them; defectory is the project")
    emit_error(FailedPrecondition("not yet: `defectory run` makes one, `defectory-client` asks"), as_json=False)
    said = capsys.readouterr()
    assert said.out == "`.venv/bin/defectory runs` lists them; defectory is the project\n"
    assert said.err == "error: not yet: `.venv/bin/defectory run` makes one, `defectory-client` asks\n"
    monkeypatch.setenv("PATH", "/nowhere")
    assert as_typed("`defectory run`") == "`.venv/bin/defectory run`"


def test_a_run_goes_on_by_the_command_that_was_typed() -> None:
    command = TypedCommand(arguments=("run", "my photos"), folder="/line 4", program=".venv/bin/defectory")
    assert command.line == "cd '/line 4' && .venv/bin/defectory run 'my photos'"
    before = TypedCommand.model_validate({"arguments": ["run", "a"], "folder": "/b"})
    assert before.line == "cd /b && defectory run a"
