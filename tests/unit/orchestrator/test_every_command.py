"""What is the same of every command: --store, --json, examples, and --verbose where its work takes long."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from orchestrator.cli.main import app

# What is answered at once, and `serve` and `up`, whose logs say what they do.
AT_ONCE = {
    "report", "review", "runs", "status", "logs", "open", "serve", "up", "doctor", "dataset list", "dataset show",
    "dataset diff", "dataset groups", "dataset fold", "dataset decisions", "generator list", "generator show",
    "classifier label", "classifier list", "classifier show", "models list", "operations list", "certs", "token",
}  # fmt: skip

WITHOUT_A_STORE = {"certs", "token"}


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name as it is typed, command) of all that are no groups."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for own, child in children.items():
        yield from commands(child, f"{name} {own}".strip())


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_what_is_answered_at_once_is_there() -> None:
    assert COMMANDS.keys() > AT_ONCE


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_examples_and_says_more_where_its_work_takes_long(name: str) -> None:
    command = COMMANDS[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options
    assert ("--store" in options) == (name not in WITHOUT_A_STORE)
    assert ("--verbose" in options) == (name not in AT_ONCE)
    example = f"defectory {name}"
    assert any(line.strip().startswith(example) for line in command.help.splitlines()), f"no example of {example}"
