"""ImageNet lists: `synsets.txt` names the labels, `<subset>.txt` gives each picture the numbers of its own."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from defectory.datasets.layouts.delimited import decode_text
from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.names import SPLITS, is_no_label
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput

_LABELS = "synsets.txt"


def _lists(tree: Tree) -> list[str]:
    return [path for path in tree.files if "/" not in path and path.endswith(".txt") and path != _LABELS]


def _recognise(tree: Tree) -> str:
    return f"{_LABELS} stands beside {', '.join(_lists(tree)[:3])}" if tree.has(_LABELS) and _lists(tree) else ""


def _read(tree: Tree, choices: Choices) -> Source:
    if not tree.has(_LABELS):
        raise InvalidInput(f"{tree.root} holds no {_LABELS}, which names the labels of the lists beside it")
    labels = decode_text(tree.text(_LABELS), _LABELS).splitlines()
    pictures = Pictures(tree)
    read = pool([entry for name in _lists(tree) for entry in _entries(tree, name, labels, pictures)], choices)
    return Source(tree.root, IMAGENET_LISTS.name, read.files, left_out=read.left_out, notes=read.notes)


def _entries(tree: Tree, name: str, labels: list[str], pictures: Pictures) -> Iterator[Entry]:
    split = SPLITS.get(PurePosixPath(name).stem.lower(), "none")
    for number, line in enumerate(decode_text(tree.text(name), name).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        given, numbers = _parts(line)
        path = pictures.find(given, where, ("images",))
        try:
            named = [labels[int(one)].strip() for one in numbers]
        except (IndexError, ValueError) as error:
            right = f"use numbers from 0 to {len(labels) - 1}, the lines of {_LABELS}"
            raise InvalidInput(f"{where}: {' '.join(numbers)!r} names no label; {right}") from error
        named = [label for label in named if is_no_label(label) != "nothing"]
        yield Entry(path or given, tuple(dict.fromkeys(named)), split, is_there=bool(path))


def _parts(line: str) -> tuple[str, list[str]]:
    """The picture's name, in quotes where it holds spaces, and what stands behind it."""
    line = line.strip()
    if line.startswith('"') and '"' in line[1:]:
        name, _, behind = line[1:].partition('"')
        return name, behind.split()
    name, *numbers = line.split()
    return name, numbers


IMAGENET_LISTS = Layout(
    name="imagenet-lists",
    on_disk="`synsets.txt`, `<subset>.txt` with lines `x.jpg 0`, `images/x.jpg`",
    recognised_by="`synsets.txt` beside another text file",
    label="the line of `synsets.txt`, from 0; several: the first, all are kept as kinds; no number: left out",
    split="the list's name",
    mask="none",
    group="found",
    described_in="CVAT's manual (ImageNet without images); files of datumaro 1.13.12",
    recognise=_recognise,
    read=_read,
)
