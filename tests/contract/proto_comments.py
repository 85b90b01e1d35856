"""What the protos say of their fields, in words and in ranges."""

import re
from pathlib import Path

from google.protobuf.descriptor import Descriptor

PROTO = Path(__file__).parents[2] / "proto"
NUMBER = r"(-?[\d.]+(?:e-?\d+)?(?:\^\d+)?)"
RANGE = re.compile(
    rf"\b[Ii]n ([\[(]){NUMBER}, (?:{NUMBER}|[a-z2][^\])]*)([\])])|>= ?0|\[number of seeds, \d+\]|from 0, the coarsest"
)


def comments(message: Descriptor) -> dict[str, str]:
    """What the proto says of each field of a message."""
    text = (PROTO / message.file.name).read_text()
    body = re.search(rf"^message {message.name} {{\n(.*?)^}}", text, re.MULTILINE | re.DOTALL)
    assert body
    by_field: dict[str, str] = {}
    said: list[str] = []
    for line in map(str.strip, body[1].splitlines()):
        if line.startswith("//"):
            said.append(line.removeprefix("//").strip())
        elif field := re.search(r"(\w+) = \d+", line):
            by_field[field[1]], said = " ".join(said), []
    return by_field


def value_of(text: str) -> float:
    base, _, power = text.partition("^")
    return float(base) ** int(power or 1)
