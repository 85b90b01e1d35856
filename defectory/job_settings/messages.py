"""Settings into a message, and back: fields of one name are one setting.

A message leaves out what is None. What it leaves out, or has at zero without saying that it is there, is read as the
setting's default. An enum's value NAME_OF_ENUM_CHOICE is the setting "choice".
"""

from typing import Any, TypeVar, cast

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message

from defectory.errors import InvalidInput
from defectory.job_settings.base import JobSettings
from defectory.serving.messages import given
from defectory.validation import validated

Filled = TypeVar("Filled", bound=Message)
Read = TypeVar("Read", bound=JobSettings)


def fill(message: Filled, settings: JobSettings) -> Filled:
    """Put the settings that the message has a field for into it; returns it.

    Settings that it has no field for are whoever's who asks, not the service's.
    """
    for field in message.DESCRIPTOR.fields:
        value = getattr(settings, field.name, None)
        if value is None:
            continue
        if field.message_type is not None:  # a map
            getattr(message, field.name).update(value)
        else:
            setattr(
                message, field.name, _number(cast(EnumDescriptor, field.enum_type), value) if field.enum_type else value
            )
    return message


def read(settings: type[Read], message: Message, within: str = "") -> Read:
    """The settings that a message says; those of its fields that are no settings are left out.

    Args:
        within: see `validated`.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    fields = message.DESCRIPTOR.fields_by_name
    values: dict[str, Any] = {}
    for name, value in given(message).items():
        if name in settings.model_fields:
            enum = cast(EnumDescriptor | None, fields[name].enum_type)
            values[name] = _choice(name, enum, value) if enum else value
    return validated(settings, values, within)


def _prefix(enum: EnumDescriptor) -> str:
    """What the names of an enum's values begin with: its zero is PREFIX_UNSPECIFIED."""
    return str(enum.values_by_number[0].name).removesuffix("UNSPECIFIED")


def _number(enum: EnumDescriptor, choice: str) -> int:
    return int(enum.values_by_name[_prefix(enum) + choice.upper()].number)


def _choice(name: str, enum: EnumDescriptor, number: int) -> str:
    """A number as a choice; one that the enum has no name for is refused by its number."""
    if number not in enum.values_by_number:
        right = f"use one of {', '.join(list(enum.values_by_name)[1:])}"
        raise InvalidInput(f"{name} {number}: {right}", {name: right})
    return str(enum.values_by_number[number].name).removeprefix(_prefix(enum)).lower()
