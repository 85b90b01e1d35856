"""Rows of a table file as spreadsheets and scripts write them: which bytes are which letters, and where cells end."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from defectory.errors import InvalidInput, NotFound

Columns = Sequence[Sequence[str]]  # each of them a set of names, any of which will do

_DELIMITERS = (",", ";", "\t", "|")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Excel's plain "CSV" is in the code page of its Windows. The first that has all of a file's bytes is taken: Western
# European, Central European, Cyrillic.
_CODE_PAGES = ("cp1252", "cp1250", "cp1251")


def read_text(path: Path) -> str:
    """A table's text: UTF-8, UTF-16 with its byte-order mark, or a Windows code page (see `code_page`).

    Raises:
        NotFound, InvalidInput: there is no such file, or it is no text.
    """
    try:
        return decode_text(path.read_bytes(), str(path))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"{path} is not a file") from error


def decode_text(data: bytes, name: str) -> str:
    """Bytes of a table as text; see `read_text`."""
    encoding = _marked(data) or code_page(data) or "utf-8"
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not text: {error}; save it as CSV in UTF-8") from error


def code_page(data: bytes) -> str:
    """The Windows code page that a table is read by; empty where it is UTF-8, UTF-16, or none of those known.

    A code page leaves no mark, so it is a guess, which a person has to be shown.
    """
    if _marked(data) or _is(data, "utf-8") or b"\0" in data:
        return ""
    return next((page for page in _CODE_PAGES if _is(data, page)), "")


def header(text: str, required: Columns) -> set[str]:
    """The names of a table's columns, in lower case."""
    first = text.split("\n", 2)[1 if _named_delimiter(text) else 0 :][:1]
    return set(_header_cells(first[0] if first else "", _delimiter(text, required)))


def rows(text: str, name: str, required: Columns) -> Iterator[tuple[int, dict[str, str]]]:
    """(row number, column -> stripped value) of each row with content; one column of each required set is there.

    A first line `sep=;` names the delimiter, as Excel writes and reads it; else comma, semicolon, tab or bar is taken,
    whichever makes the most of the required columns out of the first line.

    Raises:
        InvalidInput: a column is missing or stands twice, or a row has more cells than there are columns.
    """
    delimiter, skipped = _delimiter(text, required), int(_named_delimiter(text) != "")
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))[skipped:]
    except csv.Error as error:
        raise InvalidInput(f"{name} is not a CSV file: {error}") from error
    columns = _columns(table[0]) if table else []
    for names in required:
        if not set(names) & set(columns):
            raise InvalidInput(
                f"{name} has no column {' or '.join(names)}; its columns are {', '.join(columns) or 'none'}"
            )
    repeated = {column for column in columns if column and columns.count(column) > 1}
    if repeated:
        raise InvalidInput(f"{name} has the column {', '.join(sorted(repeated))} twice")
    for number, cells in enumerate(table[1:], start=2 + skipped):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise InvalidInput(
                f"{name}, row {number} has {len(cells)} cells under {len(columns)} columns; quote cells that hold"
                f" {delimiter!r}"
            )
        padded = [cell.strip() for cell in cells] + [""] * (len(columns) - len(cells))
        yield number, dict(zip(columns, padded[: len(columns)], strict=True))


def _marked(data: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "")


def _is(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _named_delimiter(text: str) -> str:
    line = text.split("\n", 1)[0].strip('\r "')
    return line[4:] if line.lower().startswith("sep=") and len(line) == 5 else ""


def _delimiter(text: str, required: Columns) -> str:
    named = _named_delimiter(text)
    if named:
        return named
    first = text.split("\n", 1)[0]

    def fits(delimiter: str) -> int:
        cells = set(_header_cells(first, delimiter))
        return sum(bool(set(names) & cells) for names in required)

    return max(_DELIMITERS, key=fits)  # the first of equals


def _header_cells(line: str, delimiter: str) -> list[str]:
    try:
        return _columns(next(csv.reader([line.strip("\r")], delimiter=delimiter), []))
    except csv.Error:
        return []


def _columns(cells: Sequence[str]) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in cells]
