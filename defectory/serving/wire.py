"""Counts what a request holds on the bytes of its message, before anything is built of it.

Parsing builds an object for every item, as many as the bytes tell: millions from a few megabytes, while the interpreter
stands still. The counts are walked through in Python, piece by piece, and end where a bound is passed. How much a field
may hold stands in the protos: `max_items` (defectory/api/bounds/v1).
"""

from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from defectory.api.bounds.v1 import bounds_pb2
from defectory.errors import InvalidInput

MAX_STRING, MAX_BYTES = 128 << 10, 1 << 31  # bytes of a field of strings, and of one of bytes, which a message binds
MAX_PIECES = 100_000  # fields of a message and of the messages in it, each item by itself; packed numbers are one
MAX_REPEATS = 64  # of a field that has one value (the last one counts), or that the message does not know

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types; groups (3, 4) are no part of proto3
WIDTHS = {
    FieldDescriptor.TYPE_FIXED64: 8, FieldDescriptor.TYPE_SFIXED64: 8, FieldDescriptor.TYPE_DOUBLE: 8,
    FieldDescriptor.TYPE_FIXED32: 4, FieldDescriptor.TYPE_SFIXED32: 4, FieldDescriptor.TYPE_FLOAT: 4,
}  # fmt: skip
UNPACKED = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE)
NOT_LAST = bytes(range(128, 256))  # bytes of a varint that another one follows


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    most: int  # items
    repeated: bool = False
    has_length: bool = False  # may have: strings, bytes, messages, packed numbers
    longest: int = 0  # bytes
    packed: bool = False  # its items may come behind one another, without a tag each
    width: int = 0  # bytes of a packed item; 0: it varies
    message: Descriptor | None = None


UNKNOWN = _Field("", MAX_REPEATS)


def check(data: bytes, kind: Descriptor) -> None:
    """Refuse what holds more than its fields may.

    Args:
        data: a message as it was sent.
        kind: what message it is to be.

    Raises:
        InvalidInput: names the field and its bound; or the bytes are no message.
    """
    _Walk(data).message(kind, 0, len(data), "")


class _Walk:
    """One message and those in it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pieces = 0

    def message(self, kind: Descriptor, at: int, end: int, where: str) -> None:
        """Walk through the bytes of a message; `where` is its path with a dot behind it."""
        fields, counts = _fields(kind), dict[int, int]()
        while at < end:
            self._pieces += 1
            if self._pieces > MAX_PIECES:
                right = f"send at most {MAX_PIECES}, numbers packed"
                fields_wrong = {where[:-1]: right} if where else {}
                raise InvalidInput(f"the message has more than {MAX_PIECES} fields and items: {right}", fields_wrong)
            tag, at = self._varint(at, end)
            number, wire_type = tag >> 3, tag & 7
            start, at = self._value(wire_type, at, end)
            field = fields.get(number, UNKNOWN)
            items, before = 1, counts.get(number, 0)
            if wire_type == LENGTH and field.has_length:
                if field.packed:
                    items = self._items(field, start, at)
                elif field.message is not None:
                    item = f"[{before}]" if field.repeated else ""
                    self.message(field.message, start, at, f"{where}{field.name}{item}.")
                elif at - start > field.longest:
                    right = f"use at most {field.longest} bytes"
                    raise _wrong(where + field.name, f"it has {at - start} bytes", right)
            counts[number] = count = before + items
            if count > field.most:
                right = f"send at most {field.most}"
                raise _wrong(where + (field.name or f"field {number}"), f"it has more than {field.most} items", right)

    def _items(self, field: _Field, start: int, end: int) -> int:
        """Items of packed numbers."""
        if field.width:
            return -(-(end - start) // field.width)
        if end - start <= field.most:
            return end - start  # each has a byte at least
        return len(self._data[start:end].translate(None, NOT_LAST))

    def _value(self, wire_type: int, at: int, end: int) -> tuple[int, int]:
        """(where the value's bytes start, where they end)."""
        if wire_type == LENGTH:
            length, start = self._varint(at, end)
            stop = start + length
        elif wire_type == VARINT:
            start, (_, stop) = at, self._varint(at, end)
        elif wire_type in (EIGHT_BYTES, FOUR_BYTES):
            start, stop = at, at + (8 if wire_type == EIGHT_BYTES else 4)
        else:
            raise InvalidInput(f"the message has a field of wire type {wire_type}, which proto3 does not know")
        if stop > end:
            raise InvalidInput("the message is cut off")
        return start, stop

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """(the number, where it ends)."""
        data, value = self._data, 0
        if at < end and data[at] < 128:  # most are so short
            return data[at], at + 1
        for number, byte in enumerate(data[at : min(end, at + 10)]):
            value |= (byte & 127) << (7 * number)
            if byte < 128:
                return value, at + number + 1
        raise InvalidInput("the message is cut off, or none: a number in it has no end")


@cache
def _fields(kind: Descriptor) -> dict[int, _Field]:
    return {field.number: _field(field) for field in kind.fields}


def _field(field: FieldDescriptor) -> _Field:
    packed = field.is_repeated and field.type not in UNPACKED
    return _Field(
        name=field.name,
        most=field.GetOptions().Extensions[bounds_pb2.max_items] if field.is_repeated else MAX_REPEATS,
        repeated=field.is_repeated,
        has_length=packed or field.type in UNPACKED,
        longest=MAX_STRING if field.type == FieldDescriptor.TYPE_STRING else MAX_BYTES,
        packed=packed,
        width=WIDTHS.get(field.type, 0),
        message=field.message_type,
    )


def _wrong(field: str, said: str, right: str) -> InvalidInput:
    return InvalidInput(f"{field}: {said}; {right}", {field: right})
