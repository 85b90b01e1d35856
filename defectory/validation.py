"""From values that somebody gave to a model, with an error that names each one that is wrong."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from defectory.errors import InvalidInput
from defectory.wording import field_at, why_of

MOST_SHOWN = 50  # characters
Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Mapping[str, Any], within: str = "") -> Model:
    """The model that the values make.

    Args:
        within: where the values stand, put before the fields' names in the error: "settings" gives "settings.batch".

    Raises:
        InvalidInput: names every field that is wrong.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        sentences, fields = [], {}
        for part in error.errors():
            name = _name(part["loc"], within)
            if part["type"] == "extra_forbidden":
                fields[name] = unknown(model, name, within)
                sentences.append(fields[name])
            else:
                fields[name] = why_of(part, field_at(model, part["loc"]))
                sentences.append(f"{name}{_shown(part['input'])}: {fields[name]}")
        raise InvalidInput("; ".join(sentences), fields) from error


def unknown(model: type[BaseModel], name: str, within: str = "") -> str:
    """That a model has no setting of that name, and which one may be meant: of the same last word, else alike."""
    last = name.rpartition(".")[2]
    lists = [field for field, entry in _entries(model) if last in entry.model_fields]
    if lists:
        return f"no such setting `{name}`: it belongs to an entry of `{lists[0]}`, as in {lists[0]}=[{{{last}: …}}]"
    paths = [_name((path,), within) for path in _paths(model)]
    meant = [path for path in paths if path.rpartition(".")[2] == last] or get_close_matches(name, paths, 1)
    meant = meant or [path for path in paths if path.rpartition(".")[2] in get_close_matches(last, _words(paths), 1)]
    return f"no such setting `{name}`" + (f"; did you mean `{meant[0]}`?" if meant else "")


def _paths(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every setting of a model by its path, those of its sections too: "generator.kimg"."""
    for name, field in model.model_fields.items():
        yield before + name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _paths(kind, f"{before}{name}.")


def _entries(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Lists of sections that a model has: the list's name, and what each of its entries is."""
    for name, field in model.model_fields.items():
        for kind in get_args(field.annotation) if get_origin(field.annotation) in (tuple, list) else ():
            entry = get_args(kind)[0] if get_origin(kind) is Annotated else kind
            if isinstance(entry, type) and issubclass(entry, BaseModel):
                yield name, entry


def _words(paths: list[str]) -> list[str]:
    """The last words of paths."""
    return [path.rpartition(".")[2] for path in paths]


def _name(location: tuple[int | str, ...], within: str) -> str:
    return ".".join([*([within] if within else []), *map(str, location)]) or "settings"


def _shown(value: object) -> str:
    """A value that was given, where it is short enough to be read."""
    short = isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MOST_SHOWN)
    return f" {value!r}" if short else ""
