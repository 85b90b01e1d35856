"""Messages of any type by its descriptor: values that a service knows, values at the edges, and values that are odd."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

DEEP = 4  # messages in messages
REQUIRED = ("request_id", "manifest_uri", "model", "name")  # nearly everywhere: a message without them is soon refused
ODD_TEXTS = ("", " ", ".", "..", "../x", "/", "a/b", "x" * 300, "ä" * 40, "\0", "\n", "1", "-1", "newest", "stable", "file:///etc/passwd",
             "s3://x/y", "http://127.0.0.1/", "memory://x", "%s", "{}", "🙂", "x/1", "*")  # fmt: skip
_WHOLE = {  # type -> (bits, signed)
    FieldDescriptor.CPPTYPE_INT32: (32, True), FieldDescriptor.CPPTYPE_INT64: (64, True),
    FieldDescriptor.CPPTYPE_UINT32: (32, False), FieldDescriptor.CPPTYPE_UINT64: (64, False),
}  # fmt: skip
_FLOATS = (0.0, 0.5, 1.0, -1.0, 1e-30, 2.0, 100.0, 1e30, float("nan"), float("inf"), float("-inf"))


def messages(
    kind: Descriptor, known: Mapping[str, Sequence[str]], contents: Sequence[bytes]
) -> SearchStrategy[Message]:
    """Messages of a type.

    Args:
        known: part of a field's name -> what may stand there: not every message is to end at the first of its fields.
        contents: the same for fields of bytes.
    """
    return _messages(kind, known, tuple(contents), DEEP)


@st.composite
def _messages(
    draw: DrawFn, kind: Descriptor, known: Mapping[str, Sequence[str]], contents: tuple[bytes, ...], deep: int
) -> Message:
    message = message_factory.GetMessageClass(kind)()
    often = draw(st.sampled_from((1, 2, 4)))  # of five fields so many have a value
    for field in kind.fields:
        wanted = field.name.endswith(REQUIRED) or draw(st.integers(0, 4)) < often
        if not wanted or (field.message_type is not None and deep == 0):
            continue
        value = st.deferred(lambda field=field: _value(field, known, contents, deep))
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(draw, message, field, known, contents, deep)
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(value, max_size=3)))
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(draw(value))
        else:
            setattr(message, field.name, draw(value))
    return message


def _fill_map(
    draw: DrawFn,
    message: Message,
    field: FieldDescriptor,
    known: Mapping[str, Sequence[str]],
    contents: tuple[bytes, ...],
    deep: int,
) -> None:
    key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
    target = getattr(message, field.name)
    for _ in range(draw(st.integers(0, 2))):
        entry, drawn = draw(_value(key, known, contents, deep)), draw(_value(value, known, contents, deep))
        if value.message_type is not None:
            target[entry].CopyFrom(drawn)
        else:
            target[entry] = drawn


def _value(
    field: FieldDescriptor, known: Mapping[str, Sequence[str]], contents: tuple[bytes, ...], deep: int
) -> SearchStrategy[Any]:
    """Values of a field that is not repeated, or of one item."""
    if field.message_type is not None:
        return _messages(field.message_type, known, contents, deep - 1)
    if field.enum_type is not None:
        return st.sampled_from([*(value.number for value in field.enum_type.values), 99])
    if field.type == FieldDescriptor.TYPE_STRING:
        fitting = [text for part, texts in known.items() if part in field.name for text in texts]
        all_known = [text for texts in known.values() for text in texts]
        return st.sampled_from(fitting or all_known) | st.sampled_from(all_known) | st.sampled_from(ODD_TEXTS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.sampled_from(contents) | st.binary(max_size=64)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type in _WHOLE:
        bits, signed = _WHOLE[field.cpp_type]
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return st.integers(0, 4) | st.sampled_from((low, high, 8, 16, 32, 1000)) | st.integers(low, high)
    return st.sampled_from(_FLOATS) | st.floats(0, 1, width=32)
