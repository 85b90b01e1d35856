"""Commands that are imported when they are asked for: a start costs what one command needs, not what all do."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

Command = TyperCommand | TyperGroup


class Commands(Mapping[str, Command]):
    """Commands by name, each made when it is looked up.

    Args:
        places: name -> "module:attribute", a function or a `typer.Typer`.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._made: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._made:
            module, _, attribute = self._places[name].partition(":")
            self._made[name] = _command(name, getattr(import_module(module), attribute))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def commands_at(places: Mapping[str, str]) -> type[TyperGroup]:
    """The `cls` of a `typer.Typer` whose commands are at places; see `Commands`."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = Commands(places)  # type: ignore[assignment]  # nobody adds commands to a group of ours

    return LazyGroup


def _command(name: str, written: Any) -> Command:
    """The command that a function, or the group that a `typer.Typer`, stands for."""
    if isinstance(written, typer.Typer):
        command: Any = get_group(written)
    else:
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command()(written)
        command = get_command(alone)
    command.name = name
    return command  # type: ignore[no-any-return]  # typer's own type of it is private
