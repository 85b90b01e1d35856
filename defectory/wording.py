"""What is wrong with a value, in a sentence of ours: what would be right, its range, and what the setting is."""

import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from defectory.alike import did_you_mean

ENDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
TYPES = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "string": "text", "list": "a list",
    "tuple": "a list", "dict": "names with values", "mapping": "names with values", "model": "a section of settings",
}  # fmt: skip
NUMBERS = ("int", "float", "greater", "less", "finite")
QUOTED = re.compile(r"'([^']+)'")
MOST_DESCRIBED = 100  # characters of what a setting is


def why_of(part: ErrorDetails, field: FieldInfo | None = None) -> str:
    """What would be right.

    Args:
        part: an error of pydantic's. field: of the value that is wrong, where it is known.
    """
    kind, context = part["type"], part.get("ctx", {})
    word = kind.split("_")[0]
    if kind == "missing":
        right = "it is needed"
    elif word in NUMBERS:
        whole = word == "int" or (field is not None and int in _kinds(field.annotation))
        bounds = _bounds(field) if field is not None else {name: context[name] for name in ENDS if name in context}
        right = " ".join(filter(None, ["use", TYPES["int" if whole else "float"], in_words(bounds)]))
    elif kind in ("too_short", "too_long"):
        end, length = ("at least", context["min_length"]) if kind == "too_short" else ("at most", context["max_length"])
        right = f"use {end} {length} item{'s' * (length != 1)}"
    elif kind in ("literal_error", "enum"):
        expected = str(context.get("expected", ""))
        right = f"use {expected}{did_you_mean(str(part.get('input', '')), QUOTED.findall(expected))}"
    elif word in TYPES and kind.endswith(("_type", "_parsing")):
        right = f"use {TYPES[word]}"
    else:
        return part["msg"].removeprefix("Value error, ")  # in the words of whoever checked it
    about = (field.description or "").partition(";")[0] if field is not None else ""
    return f"{right} ({about})" if 0 < len(about) <= MOST_DESCRIBED else right


def field_at(model: type[BaseModel], location: tuple[int | str, ...]) -> FieldInfo | None:
    """The field that an error's location leads to; None for what lies within a value."""
    field: FieldInfo | None = None
    for name in location:
        inner: type[BaseModel] | None = model if field is None else _model_of(field)
        if inner is None or name not in inner.model_fields:
            return None
        field = inner.model_fields[str(name)]
    return field


def in_words(bounds: Mapping[str, float]) -> str:
    """ "from 1 to 8", "above 0, at most 3"; empty where nothing bounds."""
    if bounds.keys() == {"ge", "le"}:
        return f"from {_number(bounds['ge'])} to {_number(bounds['le'])}"
    return ", ".join(f"{said} {_number(bounds[name])}" for name, said in ENDS.items() if name in bounds)


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kinds = (kind for kind in _kinds(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel))
    return next(kinds, None)


def _kinds(annotation: Any) -> Iterator[Any]:
    """What a value can be, each alternative by itself."""
    if get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    elif get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    else:
        yield annotation


def _bounds(field: FieldInfo) -> dict[str, float]:
    """Name of a bound -> its number, of a number's field."""
    limits = [*field.metadata]
    for part in get_args(field.annotation):  # of "a number or nothing"
        limits += get_args(part)[1:] if get_origin(part) is Annotated else []
    limits += [inner for limit in limits if isinstance(limit, FieldInfo) for inner in limit.metadata]
    return {name: getattr(limit, name) for name in ENDS for limit in limits if getattr(limit, name, None) is not None}
