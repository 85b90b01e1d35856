"""From values that somebody gave to a model, with an error that names each one that is wrong."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from defectory.errors import InvalidInput

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
        fields = {_name(part["loc"], within): part["msg"] for part in error.errors()}
        raise InvalidInput("; ".join(f"{name}: {why}" for name, why in fields.items()), fields) from error


def _name(location: tuple[int | str, ...], within: str) -> str:
    return ".".join([*([within] if within else []), *map(str, location)]) or "settings"
