"""What the settings of every job have in common, and the ranges that pydantic has no word for."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

BOUNDS = "ge", "gt", "le", "lt"  # of a number


class JobSettings(BaseModel):
    """Settings of a job; a field that may be None takes its default from a configuration, a recipe or the data."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class ZeroOr:
    """A range whose zero stands apart: 0, or a number in [least, most]."""

    least: float
    most: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"const": 0}, {**handler(schema), "minimum": self.least, "maximum": self.most}]}

    def _checked(self, value: float) -> float:
        if value != 0 and not self.least <= value <= self.most:
            raise ValueError(f"use 0, or {self.least:g} to {self.most:g}")
        return value


def filled_in(settings: type[JobSettings], name: str, default: Any = ..., description: str = "") -> Any:
    """A setting as it is where its default is known: the same range and sentence, never None.

    Nor is it the zero that stands apart in its range (`ZeroOr`), which leaves the choice to others as None does.

    Args:
        settings: where the setting is defined.
        default: its value where nothing says another; ...: it is always said.
        description: in place of its sentence, where the default means something else.
    """
    field = settings.model_fields[name]
    bounds: dict[str, Any] = {}
    for part in field.metadata:
        if isinstance(part, ZeroOr):
            bounds |= {"ge": part.least, "le": part.most}
        else:
            bounds |= {key: getattr(part, key) for key in BOUNDS if hasattr(part, key)}
    return Field(default, description=description or field.description, **bounds)
