"""What commands print: with --json one object on standard output, else text for a person; errors on standard error.

So are the words of a text that need explaining.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence

from defectory.errors import DefectoryError, InvalidInput
from defectory.storage.places import path_or_uri
from orchestrator.cli.program import as_typed
from orchestrator.glossary import words_in

FILE_URI = re.compile(r"file://[^\s`'\",;:)]+")
SHOWN_NAMES = 3  # of files that were left out


def emit(result: Mapping[str, object], as_json: bool, text: str = "") -> None:
    """Print a command's result: the object, or the text (by default its fields, one a line) and what its words mean."""
    if as_json:
        sys.stdout.write(json.dumps(result, sort_keys=True) + "\n")
        sys.stdout.flush()
        return
    text = text or in_lines(result)
    sys.stdout.write(as_typed(text) + "\n")
    sys.stdout.flush()
    words = words_in(text)
    if words:
        explained = "".join(f"  {word.shown}: {word.meaning}\n" for word in words)
        sys.stderr.write(f"\nwords:\n{explained}")


def emit_error(error: DefectoryError, as_json: bool) -> None:
    """Say what went wrong, field by field where it is the input."""
    fields = error.fields if isinstance(error, InvalidInput) else {}
    lines = [f"error: {error}", *(f"  {name}: {why}" for name, why in fields.items() if why not in str(error))]
    sys.stderr.write(as_typed(FILE_URI.sub(lambda uri: path_or_uri(uri[0]), "\n".join(lines))) + "\n")
    if as_json:
        emit({"error": {"kind": type(error).__name__, "message": str(error), "fields": fields}}, as_json=True)


def in_lines(result: Mapping[str, object]) -> str:
    """`name  value`, one a line, names aligned."""
    width = max((len(name) for name in result), default=0)
    return "\n".join(f"{name:<{width}}  {_plain(value)}" for name, value in result.items())


def first_of(names: Sequence[str]) -> str:
    """How many, and the first of them."""
    return f"{len(names)}: {', '.join(names[:SHOWN_NAMES])}{', …' * (len(names) > SHOWN_NAMES)}" if names else "0"


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Rows under their column names, aligned."""
    cells = [list(columns), *([_plain(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and value.startswith("file://"):
        return path_or_uri(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, Mapping | list) else str(value)
