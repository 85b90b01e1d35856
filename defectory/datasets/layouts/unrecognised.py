"""What no layout reads: a folder that none fits, and files that can hold labels beside one that does."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from defectory.datasets.layouts.delimited import decode_text
from defectory.datasets.layouts.json_file import read_json
from defectory.datasets.layouts.names import is_no_label
from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput

_ANNOTATIONS = (".json", ".xml", ".yaml", ".yml")
_TABLES = (".csv", ".tsv", ".tab")
_WORKBOOKS = (".xlsx", ".xls", ".ods")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


def unrecognised(tree: Tree) -> InvalidInput:
    """The error for it."""
    pictures = tree.pictures()
    if pictures and not tree.named and not any("/" in path for path in pictures) and not is_no_label(_name(tree)):
        right = f"give the folder above, {tree.root.absolute().parent}"
        others = "; ".join(_files(tree))
        return InvalidInput(
            f"{tree.root} holds {len(pictures)} images but no class folders{f' ({others})' if others else ''}; where "
            f"{_name(tree)} is their label, {right}",
            {"directory": right},
        )
    seen = "; ".join(_seen(tree))
    return InvalidInput(
        f"{tree.root} holds no images that a folder or a table gives a label{f' ({seen})' if seen else ''}; use class"
        " folders or a CSV file with the columns image and label"
    )


def _seen(tree: Tree) -> Iterator[str]:
    yield from _files(tree)
    pictures = tree.pictures()
    if not pictures:
        yield "no picture is there"
        return
    folders = sorted({str(PurePosixPath(path).parent) for path in pictures})
    where = ", ".join("the folder itself" if folder == "." else folder for folder in folders[:3])
    yield f"{len(pictures)} pictures lie in {where}{', …' if len(folders) > 3 else ''}"


def _name(tree: Tree) -> str:
    """What the root is called."""
    return tree.root.absolute().name


def unread(tree: Tree) -> tuple[str, ...]:
    """What a person has to know where folders give the labels and a file beside them could."""
    seen = list(_files(tree))
    return (f"the labels are those of the folders, and nothing else was read: {'; '.join(seen)}",) if seen else ()


def _files(tree: Tree) -> Iterator[str]:
    """What can hold labels right below the root, or the file that was given."""
    near = [tree.named] if tree.named else [path for path in tree.files if "/" not in path]
    for name in near:
        ending = PurePosixPath(name).suffix.lower()
        if ending in _TABLES:
            yield f"the first line of {name} is {_first_line(tree, name)}"
        elif ending == ".json" and (broken := _broken(tree, name)):
            yield broken
        elif ending in _ANNOTATIONS:
            yield f"{name} is of no layout that is known"
        elif ending in _WORKBOOKS:
            yield f"{name} is a workbook: save it as CSV"
        elif ending in _ARCHIVES:
            yield f"{name} is packed: unpack it"


def _broken(tree: Tree, name: str) -> str:
    try:
        read_json(tree, name)
    except InvalidInput as error:
        return str(error)
    return ""


def _first_line(tree: Tree, name: str) -> str:
    with (tree.root / name).open("rb") as file:
        start = file.read(4096)
    try:
        line = decode_text(start, name).split("\n", 1)[0].strip()
    except InvalidInput:
        return "no text"
    if "\0" in line:
        return "no text in UTF-8: save it so"
    return repr(f"{line[:80]}…" if len(line) > 80 else line)
