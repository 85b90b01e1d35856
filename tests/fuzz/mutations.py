"""Valid input, changed here and there: where a format keeps its numbers, in a document's values, and anywhere."""

import copy
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Place = tuple[int, int]  # where a number lies, and of how many bytes it is
Places = Callable[[bytes], list[Place]]
ODD_NUMBERS = (0, 1, 2, 3, 7, 8, 9, 16, 32, 64, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 1 << 24, (1 << 31) - 1,
               1 << 31, (1 << 32) - 1)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 1e308, 1 << 31, 1 << 63, 10**30, float("nan"), float("inf"), "", "x", "../x", "\0",
    "\ud800", "ä" * 300, [], [[]], [1, 2, 3], [1e9] * 6, ["x"], {}, {"x": 1}, {"size": [9, 9], "counts": "x"},
)  # fmt: skip
ODD_TEXTS = (b"\0", b"\xff", b'"', b",", b"\n", b"\r", b"{", b"[" * 200_000, b"9" * 5000, b"-", b"e999",
             b"\xef\xbb\xbf", b"'", b"<a>", b"NaN", b"../", b"&x;", b"\xed\xa0\x80")  # fmt: skip


@st.composite
def mutated(draw: DrawFn, seeds: Mapping[str, bytes], places: Places = lambda _: []) -> tuple[str, bytes]:
    """One of the seeds with up to six changes; gives its name and what became of it."""
    name = draw(st.sampled_from(sorted(seeds)))
    data, numbers = bytearray(seeds[name]), places(seeds[name])
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3, 6)))):
        if not data:
            break
        if numbers and draw(st.booleans()):
            at, width = draw(st.sampled_from(numbers))
            at = min(at, len(data) - 1)
        else:
            at = draw(st.one_of(st.integers(0, min(96, len(data)) - 1), st.integers(0, len(data) - 1)))
            width = draw(st.sampled_from((1, 2, 4)))
        change = draw(st.sampled_from(("number", "number", "number", "byte", "cut", "delete", "repeat", "text")))
        if change == "number":
            number = draw(st.sampled_from((*ODD_NUMBERS, len(data), at)) | st.integers(0, (1 << 32) - 1))
            order = draw(st.sampled_from(("little", "big")))
            data[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, order)
        elif change == "byte":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "cut":
            del data[at:]
        elif change == "delete":
            del data[at : at + draw(st.integers(1, 64))]
        elif change == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        else:
            data[at:at] = draw(st.sampled_from(ODD_TEXTS))
    changed = bytes(data)
    return name, with_checksums(changed) if changed.startswith(b"\x89PNG") and draw(st.booleans()) else changed


@st.composite
def mutated_documents(draw: DrawFn, seeds: Mapping[str, bytes]) -> tuple[str, bytes]:
    """One of the seeds, JSON or lines of JSON, with up to four values that are others, more or gone."""
    name = draw(st.sampled_from(sorted(seeds)))
    by_line = name.endswith(".jsonl")
    documents = [json.loads(part) for part in (seeds[name].splitlines() if by_line else [seeds[name]])]
    for _ in range(draw(st.integers(1, 4))):
        _change(draw, documents if by_line else documents[0])
    parts = [json.dumps(document).encode() for document in documents]
    return name, b"\n".join(parts)


def _change(draw: DrawFn, document: Any) -> None:
    """Go down a way through a document, and change what is at its end."""
    while True:
        keys = sorted(document) if isinstance(document, dict) else list(range(len(document)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        inner = document[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.integers(0, 4)) == 0:
            break
        document = inner
    change = draw(st.sampled_from(("value", "value", "delete", "more")))
    if change == "value":
        document[key] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
    elif change == "delete":
        del document[key]
    elif isinstance(document, dict):
        document[draw(st.sampled_from(("x", "", "format", key + " ")))] = document[key]
    else:
        document.append(copy.deepcopy(document[key]))


def anything(seeds: Mapping[str, bytes]) -> SearchStrategy[tuple[str, bytes]]:
    """Bytes that have nothing to do with the seeds but a name."""
    return st.tuples(st.sampled_from(sorted(seeds)), st.binary(max_size=400))


def tiff_places(data: bytes) -> list[Place]:
    """Tag, type, count and value of every entry of a TIFF's first directory, and the header's offset."""
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] not in (b"\x2a\0", b"\0\x2a"):
        return [(at, 8) for at in range(8, 64, 8)]  # a BigTIFF
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    entries = range(at + 2, at + 2 + 12 * count, 12)
    return [(4, 4), (at, 2)] + [(entry + skip, width) for entry in entries for skip, width in ((2, 2), (4, 4), (8, 4))]


def png_places(data: bytes) -> list[Place]:
    """Length and type of every chunk, and the header's fields."""
    places, at = [(16, 4), (20, 4), (24, 1), (25, 1), (28, 1)], 8
    while at + 12 <= len(data):
        places += [(at, 4), (at + 4, 4)]
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return places


def jpeg_places(data: bytes) -> list[Place]:
    """Marker, length and first bytes of every segment before the pixels."""
    places, at = list[Place](), 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        places += [(at + 1, 1), (at + 2, 2), *((at + more, 1) for more in range(4, 12)), (at + 5, 2), (at + 7, 2)]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return places


def header_places(data: bytes) -> list[Place]:
    """Every number of two and four bytes in the first 64."""
    return [(at, width) for width in (2, 4) for at in range(0, min(64, len(data)), 2)]


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the right checksums again, as far as they can be followed."""
    fixed, at = bytearray(data), 8
    while at + 12 <= len(fixed):
        end = at + 8 + int.from_bytes(fixed[at : at + 4], "big")
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = zlib.crc32(fixed[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(fixed)
