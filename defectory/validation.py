"""From values that somebody gave to a model, with an error that names each one that is wrong."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from defectory.errors import InvalidInput

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
        wrong = [(_name(part["loc"], within), _shown(part["input"]), why_of(part)) for part in error.errors()]
        summary = "; ".join(f"{name}{value}: {why}" for name, value, why in wrong)
        raise InvalidInput(summary, {name: why for name, _, why in wrong}) from error


def why_of(part: ErrorDetails) -> str:
    """What is wrong, in the words of whoever checked it."""
    return part["msg"].removeprefix("Value error, ")


def _name(location: tuple[int | str, ...], within: str) -> str:
    return ".".join([*([within] if within else []), *map(str, location)]) or "settings"


def _shown(value: object) -> str:
    """A value that was given, where it is short enough to be read."""
    short = isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MOST_SHOWN)
    return f" {value!r}" if short else ""
