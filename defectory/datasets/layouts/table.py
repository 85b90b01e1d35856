"""Tables: a CSV file that names pictures, their labels, groups and splits."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import cast

from defectory.datasets.layouts.source import Choices, Layout, Source, SourceFile
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.manifest import Split
from defectory.errors import InvalidInput, NotFound

_SPLITS = ("train", "validation", "test")
_IMAGE_COLUMNS = ("image", "file", "path")
_GROUP_COLUMNS = ("group", "tile", "part")


def read_table(text: str, name: str = "table") -> list[SourceFile]:
    """Parse a CSV with the columns image, label and, optionally, group and split; others are ignored.

    Raises:
        InvalidInput: a column is missing; a row has no image or label, an unknown split, a path that leaves the folder,
            or an image that was named before. Names the row.
    """
    rows = _rows(text, name, required=(("image",), ("label",)))
    files: dict[str, SourceFile] = {}
    for number, row in rows:
        image = _inside(row["image"], f"{name}, row {number}")
        label = row["label"]
        if not label:
            raise InvalidInput(f"{name}, row {number}: {image} has no label")
        if image in files:
            raise InvalidInput(f"{name}, row {number}: {image} was named before; name every image once")
        split = {"": "none", "val": "validation"}.get(row.get("split", ""), row.get("split", ""))
        if split not in (*_SPLITS, "none"):
            raise InvalidInput(f"{name}, row {number}: split {split!r} is not one of {', '.join(_SPLITS)} or empty")
        files[image] = SourceFile(image, label, cast(Split, split), row.get("group", ""))
    return list(files.values())


def read_groups(text: str, name: str = "groups") -> dict[str, str]:
    """Parse a CSV with the columns image and group (or tile, or part): path -> group, without empty groups.

    Raises:
        InvalidInput: a column is missing, or an image has two groups.
    """
    groups: dict[str, str] = {}
    for number, row in _rows(text, name, required=(_IMAGE_COLUMNS, _GROUP_COLUMNS)):
        image = _inside(next(row[c] for c in _IMAGE_COLUMNS if c in row), f"{name}, row {number}")
        group = next(row[c] for c in _GROUP_COLUMNS if c in row)
        if groups.get(image, group) != group:
            raise InvalidInput(f"{name}, row {number}: {image} is in group {groups[image]!r} and in {group!r}")
        if group:
            groups[image] = group
    return groups


def read_csv_text(path: Path) -> str:
    """A CSV file's text, UTF-8 with or without byte-order mark.

    Raises:
        NotFound, InvalidInput: there is no such file, or it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"{path} is not a file") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text: {error}") from error


def _rows(text: str, name: str, required: Sequence[Sequence[str]]) -> Iterator[tuple[int, dict[str, str]]]:
    """(row number, column -> stripped value) of each row with content; one column of each required set is there."""
    try:
        table = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise InvalidInput(f"{name} is not a CSV file: {error}") from error
    header = [cell.strip().lower() for cell in table[0]] if table else []
    for names in required:
        if not set(names) & set(header):
            raise InvalidInput(
                f"{name} has no column {' or '.join(names)}; its columns are {', '.join(header) or 'none'}"
            )
    repeated = {column for column in header if column and header.count(column) > 1}
    if repeated:
        raise InvalidInput(f"{name} has the column {', '.join(sorted(repeated))} twice")
    for number, cells in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            raise InvalidInput(f"{name}, row {number} has {len(cells)} cells under {len(header)} columns; quote commas")
        padded = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
        yield number, dict(zip(header, padded, strict=True))


def _inside(path: str, where: str) -> str:
    """A relative path that stays in its folder, '/'-separated."""
    pure = PurePosixPath(path.replace("\\", "/"))
    if not path or pure.is_absolute() or ".." in pure.parts or ":" in (pure.parts or ("",))[0] or "\0" in path:
        raise InvalidInput(f"{where}: {path!r} is not a path inside the folder; use one relative to it")
    return str(pure)


def _is_image_table(tree: Tree, path: str) -> bool:
    """Whether a CSV file has the columns image and label."""
    with (tree.root / path).open("rb") as file:
        header = file.readline(65536).decode("utf-8-sig", errors="replace")
    columns = {cell.strip().strip('"').lower() for cell in header.split(",")}
    return {"image", "label"} <= columns


def _tables(tree: Tree) -> list[str]:
    if tree.named:
        return [tree.named]
    return [path for path in tree.files if "/" not in path and path.endswith(".csv") and _is_image_table(tree, path)]


def _recognise(tree: Tree) -> str:
    tables = _tables(tree)
    return f"{', '.join(tables)} has the columns image and label" if tables else ""


def _read(tree: Tree, choices: Choices) -> Source:
    tables = _tables(tree)
    if len(tables) > 1:
        raise InvalidInput(f"{tree.root} holds several tables of images ({', '.join(tables)}); give the one you mean")
    files = read_table(read_csv_text(tree.root / tables[0]), tables[0])
    return Source(tree.root, TABLE.name, tuple(files))


TABLE = Layout(
    name="csv",
    on_disk="a CSV file of `image,label[,group][,split]`, paths relative to its folder",
    recognised_by="the columns `image` and `label`",
    label="the column",
    split="the column, where it is there",
    mask="none",
    group="the column, else found",
    described_in="this page",
    recognise=_recognise,
    read=_read,
    fixes_splits=True,
)
