"""Tables: a CSV file that names pictures, their labels, groups and splits."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from defectory.datasets.layouts.cells import labels_of
from defectory.datasets.layouts.delimited import code_page, decode_text, header, read_text, rows
from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.label_studio import uploaded
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.names import SPLITS
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.manifest_line import Split
from defectory.errors import InvalidInput

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".txt")
_IMAGE = ("image", "file", "path", "filename", "file_name", "filepath", "image_path")
_LABEL = ("label", "class", "category", "choice")
_GROUP = ("group", "tile", "part")
_PERSON = ("annotator", "labeler", "completed_by")


def read_table(tree: Tree, path: str) -> Iterator[Entry]:
    """The entries of a table with an image and a label column and, optionally, group, split and annotator.

    Raises:
        InvalidInput: a column is missing; a row has no image, an unknown split, a path that leaves the folder, an
            image that fits several files or that the same person named before. Names the row.
    """
    text = decode_text(tree.text(path), path)
    pictures = Pictures(tree)
    seen: set[tuple[str, str]] = set()
    folder = str(PurePosixPath(path).parent)
    for number, row in rows(text, path, (_IMAGE, _LABEL)):
        where = f"{path}, row {number}"
        person = _cell(row, _PERSON)
        name = _cell(row, _IMAGE)
        upload = uploaded(pictures, name, where) if person or name.startswith("/data/") else ""
        image = upload or pictures.find(_inside(name, where), where, () if folder == "." else (folder,))
        if (image or name, person) in seen:
            raise InvalidInput(f"{where}: {name} was named before; name every image once")
        seen.add((image or name, person))
        yield Entry(
            path=image or name,
            labels=labels_of(_cell(row, _LABEL), where),
            split=_split(row.get("split", ""), where),
            group=_cell(row, _GROUP),
            by=person,
            is_there=bool(image),
        )


def read_groups(text: str, name: str = "groups") -> dict[str, str]:
    """Parse a CSV with the columns image and group (or tile, or part): path -> group, without empty groups.

    Raises:
        InvalidInput: a column is missing, or an image has two groups.
    """
    groups: dict[str, str] = {}
    for number, row in rows(text.removeprefix("\ufeff"), name, (_IMAGE, _GROUP)):
        image = _inside(_cell(row, _IMAGE), f"{name}, row {number}")
        group = _cell(row, _GROUP)
        if groups.get(image, group) != group:
            raise InvalidInput(f"{name}, row {number}: {image} is in group {groups[image]!r} and in {group!r}")
        if group:
            groups[image] = group
    return groups


def with_groups(source: Source, table: Path) -> Source:
    """A source whose files have the groups that a table names; the others keep what the layout says.

    Raises:
        NotFound, InvalidInput: the table is not there, is none, or names no photograph of the source.
    """
    given = read_groups(read_text(table), str(table))
    notes = check_groups(given, [file.path for file in source.files], str(table))
    files = tuple(replace(file, group=given.get(file.path, file.group)) for file in source.files)
    return replace(source, files=files, notes=(*source.notes, *notes))


def check_groups(groups: Mapping[str, str], photographs: Collection[str], name: str) -> tuple[str, ...]:
    """What a person has to read of a groups table: rows that name no photograph, photographs that it does not name.

    Raises:
        InvalidInput: none of its rows names a photograph.
    """
    strangers = sorted(groups.keys() - set(photographs))
    if groups and len(strangers) == len(groups):
        raise InvalidInput(
            f"{name} names no photograph that is there: it has {strangers[0]}, and there is {min(photographs)};"
            " give paths from the same folder"
        )
    bare = sorted(set(photographs) - groups.keys())
    notes = []
    if strangers:
        notes.append(f"{len(strangers)} rows of {name} name no photograph, e.g. {strangers[0]}")
    if bare:
        notes.append(f"{len(bare)} photographs stand in no row of {name}, e.g. {bare[0]}: their groups are looked for")
    return tuple(notes)


def tables(tree: Tree) -> list[str]:
    """The files right below the root, or the one that was given, that have an image and a label column."""
    near = [tree.named] if tree.named else [path for path in tree.files if "/" not in path]
    return [path for path in near if path.lower().endswith(TABLE_ENDINGS) and _is_image_table(tree, path)]


def _cell(row: dict[str, str], columns: tuple[str, ...]) -> str:
    """The first of these columns that the table has."""
    return next((row[column] for column in columns if column in row), "")


def _split(cell: str, where: str) -> Split:
    """A table's split; "none" where it is empty."""
    if not cell:
        return "none"
    split = SPLITS.get(cell.lower())
    if split is None:
        raise InvalidInput(f"{where}: split {cell!r} is not one of train, validation, test or empty")
    return split


def _inside(path: str, where: str) -> str:
    """A relative path that stays in its folder, '/'-separated."""
    pure = PurePosixPath(path.replace("\\", "/"))
    if not path or pure.is_absolute() or ".." in pure.parts or ":" in (pure.parts or ("",))[0] or "\0" in path:
        raise InvalidInput(f"{where}: {path!r} is not a path inside the folder; use one relative to it")
    return str(pure)


def _is_image_table(tree: Tree, path: str) -> bool:
    with (tree.root / path).open("rb") as file:
        start = file.read(65536)
    try:
        columns = header(decode_text(start, path), (_IMAGE, _LABEL))
    except InvalidInput:
        return False
    return bool(columns & set(_IMAGE)) and bool(columns & set(_LABEL))


def _recognise(tree: Tree) -> str:
    return f"{', '.join(tables(tree))} has a column of images and one of labels" if tables(tree) else ""


def _read(tree: Tree, choices: Choices) -> Source:
    names = tables(tree) or ([tree.named] if tree.named else [])
    if len(names) != 1:
        listed = f"several tables of images ({', '.join(names)})" if names else "no table of images"
        raise InvalidInput(f"{tree.root} holds {listed}; give the one you mean")
    tree, name = _with_pictures(tree, names[0])
    page = code_page(tree.text(name))
    read = pool(read_table(tree, name), choices)
    notes = (f"{name} was read as Windows code page {page[2:]}; save it as UTF-8 if letters are wrong",) if page else ()
    return Source(tree.root, TABLE.name, read.files, left_out=read.left_out, notes=(*notes, *read.notes))


def _with_pictures(tree: Tree, name: str) -> tuple[Tree, str]:
    """The tree that a table's paths start from: its folder or, where its first picture is only there, the one above."""
    above = tree.root.absolute().parent
    first = next((row for _, row in rows(decode_text(tree.text(name), name), name, (_IMAGE, _LABEL))), {})
    image = _cell(first, _IMAGE).replace("\\", "/")
    if not image or ".." in PurePosixPath(image).parts or PurePosixPath(image).is_absolute():
        return tree, name
    if (tree.root / image).exists() or not (above / image).exists():
        return tree, name
    return Tree.of(above), f"{tree.root.absolute().name}/{name}"


TABLE = Layout(
    name="csv",
    on_disk="a table of `image,label[,group][,split][,annotator]`; paths start from its folder or the one above",
    recognised_by="a column of images (`image`, `file`, `filename`, `path` …) and one of labels (`label`, `class` …)",
    label="the column; several in a cell (`melt, scratch`, or a JSON list): the first, all are kept as kinds",
    split="the column, where it is there",
    mask="none",
    group="the column `group`, `tile` or `part`, else found",
    described_in="this page; Label Studio's CSV and TSV (label-studio-sdk 2.1.2) are such tables",
    recognise=_recognise,
    read=_read,
    fixes_splits=True,
)
