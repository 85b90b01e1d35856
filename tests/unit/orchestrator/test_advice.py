"""Advice can be typed: an option that a message names is one of the command that the message can appear in."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from defectory.ports import DEFAULT_PORTS
from defectory.settings import ServiceSettings
from orchestrator.cli.main import app
from services.classifier.service_settings import ClassifierSettings
from services.filter.service_settings import FilterSettings
from services.generator.service_settings import GeneratorServiceSettings

ROOT = Path(__file__).parents[3]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
READ_BY_BOTH = ["defectory/datasets"]  # what is said of photographs, by ingest and by a run
OF_A_RUN = ["orchestrator/pipeline", "orchestrator/report"]
PROGRAMS = {"services/generator/torchrun.py", "services/generator/together.py"}  # with options of their own


def options() -> dict[str, set[str]]:
    """command -> its options."""
    by_command: dict[str, set[str]] = {}

    def walk(command: Any, name: str) -> None:
        for sub, child in getattr(command, "commands", {}).items():
            walk(child, f"{name} {sub}".strip())
        by_command[name] = {
            text for parameter in command.params for text in (*parameter.opts, *parameter.secondary_opts)
        }

    walk(typer.main.get_command(app), "")
    return by_command


def messages(folder: str) -> Iterator[tuple[str, str]]:
    """(file, option) of every option that a text names, docstrings and comments left out."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        docs = {id(node.body[0].value) for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and node.body
                and isinstance(node.body[0], ast.Expr)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                if OPTION.fullmatch(node.value):
                    continue  # a word of a command that is made
                yield from ((str(path.relative_to(ROOT)), option) for option in OPTION.findall(node.value))


@pytest.mark.parametrize(
    ("folders", "commands"),
    [(READ_BY_BOTH, ["ingest", "run"]), (OF_A_RUN, ["run"])],
)
def test_what_is_advised_while_a_command_works_is_an_option_of_it(folders: list[str], commands: list[str]) -> None:
    known = options()
    named = [one for folder in folders for one in messages(folder) if "/exporting/" not in one[0]]
    assert named
    wrong = {(file, option, command) for file, option in named for command in commands if option not in known[command]}
    assert wrong == set()


def test_what_a_service_advises_is_an_option_of_some_command_or_service() -> None:
    settings = (ServiceSettings, ClassifierSettings, FilterSettings, GeneratorServiceSettings)
    flags = {f"--{name.replace('_', '-')}" for kind in settings for name in kind.model_fields}
    flags |= {f"--{service}-address" for service in DEFAULT_PORTS}
    known = flags | {option for of_command in options().values() for option in of_command}
    named = [one for folder in ("services", "defectory") for one in messages(folder) if one[0] not in PROGRAMS]
    assert {one for one in named if one[1] not in known and "/starter/" not in one[0]} == set()
