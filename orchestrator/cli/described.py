"""A setting in words, from its JSON Schema: whoever defines it, its page and its help say the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

ENDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


@dataclass(frozen=True)
class Described:
    """What a person is told of a setting.

    Attributes:
        default: in words; empty: it has none that can be said, or it is required.
        required: it has to be given.
        optional: it may be null, which is "absent".
        range: of a number, or of the numbers of a mapping, such as "1 to 8"; empty: any.
        choices: words that it can be; empty: any.
        sentence: what it is, without a full stop.
    """

    default: str
    required: bool
    optional: bool
    range: str
    choices: tuple[str, ...]
    sentence: str


def described(model: type[BaseModel]) -> dict[str, Described]:
    """Every setting of a model, by name."""
    schema = model.model_json_schema()
    return {name: described_entry(entry, name in schema.get("required", ())) for name, entry in in_schema(schema)}


def in_schema(schema: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The properties of a JSON Schema that are values, not settings of their own."""
    return [(name, entry) for name, entry in schema["properties"].items() if "$ref" not in entry]


def described_entry(entry: Mapping[str, Any], required: bool = False) -> Described:
    """A property of a JSON Schema in words."""
    return Described(
        default=_in_words(entry.get("default")),
        required=required,
        optional=any(kind.get("type") == "null" for kind in _kinds(entry)),
        range=", or ".join(filter(None, map(_range, _kinds(entry)))),
        choices=tuple(word for kind in _kinds(entry) for word in kind.get("enum", ()) if word),
        sentence=entry.get("description", ""),
    )


def _in_words(default: Any) -> str:
    match default:
        case None | "" | {}:
            return ""
        case bool():
            return str(default).lower()
        case list():
            return ", ".join(map(str, default))
    return str(default)


def _kinds(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a value can be, each alternative by itself; of a mapping, its values."""
    if "anyOf" in entry:
        for part in entry["anyOf"]:
            yield from _kinds(part)
    elif isinstance(entry.get("additionalProperties"), Mapping):
        yield from _kinds(entry["additionalProperties"])
    else:
        yield entry


def _range(kind: Mapping[str, Any]) -> str:
    if kind.get("const") == 0:
        return "0"
    if "minimum" in kind and "maximum" in kind:
        return f"{_number(kind['minimum'])} to {_number(kind['maximum'])}"
    return ", ".join(f"{word} {_number(kind[name])}" for name, word in ENDS.items() if name in kind)


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
