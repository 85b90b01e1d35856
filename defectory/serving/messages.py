"""From protobuf messages to plain values."""

from typing import Any

from google.protobuf.message import Message


def given(message: Message) -> dict[str, Any]:
    """The fields that a caller gave: those with presence that are set, and the others where they are not zero."""
    values: dict[str, Any] = {}
    for field, value in message.ListFields():
        values[field.name] = dict(value) if field.message_type and field.message_type.GetOptions().map_entry else value
    return values
