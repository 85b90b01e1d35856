"""Commands that are imported when they are asked for: a start costs what one command needs, not what all do."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group


class Commands(Mapping[str, object]):
    """Typer's commands and groups by name, each made when it is looked up.

    Args:
        places: name -> "module:attribute", a function or a `typer.Typer`.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._made: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
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


def _command(name: str, written: typer.Typer | Callable[..., None]) -> object:
    """The group that a `typer.Typer`, or the command that a function, stands for."""
    if isinstance(written, typer.Typer):
        return get_group(written)
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command(name)(written)
    return get_command(alone)
