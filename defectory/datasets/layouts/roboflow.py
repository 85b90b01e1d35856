"""Roboflow's classes as columns: `<split>/_classes.csv` with a 1 under each label, beside the pictures."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from defectory.datasets.layouts.delimited import decode_text, rows
from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.names import SPLITS, is_no_label
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput

_NAME = "_classes.csv"
_AUGMENTED = ".rf."  # an augmented copy is named after its photograph, this, and a hash


def photograph_of(path: str) -> str:
    """The photograph that Roboflow made an augmented copy of; "" for a file that is none."""
    name = PurePosixPath(path).name
    return name.split(_AUGMENTED)[0] if _AUGMENTED in name else ""


def _tables(tree: Tree) -> list[str]:
    return [path for path in tree.files if PurePosixPath(path).name == _NAME and path.count("/") <= 1]


def _recognise(tree: Tree) -> str:
    tables = _tables(tree)
    return f"it holds {', '.join(tables)}" if tables else ""


def _read(tree: Tree, choices: Choices) -> Source:
    pictures = Pictures(tree)
    read = pool([entry for name in _tables(tree) for entry in _entries(tree, name, pictures)], choices)
    return Source(tree.root, ROBOFLOW.name, read.files, left_out=read.left_out, notes=read.notes)


def _entries(tree: Tree, name: str, pictures: Pictures) -> Iterator[Entry]:
    folder = str(PurePosixPath(name).parent)
    split = SPLITS.get(folder.lower(), "none")
    for number, row in rows(decode_text(tree.text(name), name), name, (("filename",),)):
        where = f"{name}, row {number}"
        given = row["filename"]
        wrong = [label for label, cell in row.items() if label != "filename" and cell not in ("", "0", "1")]
        if wrong:
            raise InvalidInput(f"{where}: {row[wrong[0]]!r} under {wrong[0]}; use 1 for a label of the picture, else 0")
        path = pictures.find(given, where, () if folder == "." else (folder,))
        labels = tuple(label for label, cell in row.items() if cell == "1" and is_no_label(label) != "nothing")
        yield Entry(path or given, labels, split, photograph_of(given), is_there=bool(path))


ROBOFLOW = Layout(
    name="roboflow",
    on_disk="`train|valid|test/_classes.csv` with `filename, good, scratch …` beside the pictures",
    recognised_by="a file `_classes.csv`",
    label="the columns with a 1; several: the first, all are kept as kinds; none: left out",
    split="the folder's name",
    mask="none",
    group="the name before `.rf.`: augmented copies of one photograph",
    described_in="Roboflow's page on its multi-label classification CSV",
    recognise=_recognise,
    read=_read,
)
