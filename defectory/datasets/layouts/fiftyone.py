"""FiftyOne's classification export: `data/x.jpg` and `labels.json`. Its directory tree is `folders`."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from defectory.datasets.layouts.cells import labels_of
from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.json_file import is_like, json_files, read_json
from defectory.datasets.layouts.names import SPLITS
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput


def _files(tree: Tree) -> list[str]:
    return [path for path in json_files(tree, depth=1) if is_like(tree, path, "classes", "labels")]


def _recognise(tree: Tree) -> str:
    files = _files(tree)
    return f"{', '.join(files[:3])} {'is' if len(files) == 1 else 'are'} FiftyOne's (classes, labels)" if files else ""


def _read(tree: Tree, choices: Choices) -> Source:
    read = pool([entry for name in _files(tree) for entry in _entries(tree, name)], choices)
    return Source(tree.root, FIFTYONE.name, read.files, left_out=read.left_out, notes=read.notes)


def _entries(tree: Tree, name: str) -> Iterator[Entry]:
    """Pictures are named without their ending, relative to the folder `data` beside the file."""
    content = read_json(tree, name)
    folder = PurePosixPath(name).parent
    split = SPLITS.get(folder.name.lower(), "none")
    classes, labels = content["classes"], content["labels"]
    if not isinstance(labels, dict):
        raise InvalidInput(f"{name}: labels is no object of pictures and their labels")
    by_stem: dict[str, list[str]] = defaultdict(list)
    data = str(folder / "data") if tree.has(str(folder / "data")) else "" if str(folder) == "." else str(folder)
    for path in tree.pictures(data):
        by_stem[str(PurePosixPath(path).with_suffix("").relative_to(data))].append(path)
    for stem, value in labels.items():
        where = f"{name}, picture {stem}"
        paths = by_stem.get(stem, [])
        if len(paths) > 1:
            raise InvalidInput(f"{where} may be {' or '.join(paths[:3])}; give them different names")
        yield Entry(paths[0] if paths else stem, _labels(value, classes, where), split, is_there=bool(paths))


def _labels(value: Any, classes: Any, where: str) -> tuple[str, ...]:
    """A number in the list of classes, a text, an object with the label, or a list of these; null: none."""
    if isinstance(value, list):
        return tuple(dict.fromkeys(label for one in value for label in _labels(one, classes, where)))
    if isinstance(value, dict):
        return _labels(value.get("label"), classes, where)
    if isinstance(value, int) and not isinstance(value, bool):
        if not isinstance(classes, list) or not 0 <= value < len(classes):
            raise InvalidInput(f"{where}: {value} is no place in the list of classes")
        value = classes[value]
    return labels_of(value, where)


FIFTYONE = Layout(
    name="fiftyone",
    on_disk="`data/x.jpg`, `labels.json` with `classes` and `labels`; or one such folder a split (its tree: `folders`)",
    recognised_by="JSON with `classes` and `labels`",
    label="the class; several: the first, all are kept as kinds; null: left out",
    split="the folder's name",
    mask="none",
    group="found",
    described_in="FiftyOne's manual, FiftyOneImageClassificationDataset",
    recognise=_recognise,
    read=_read,
)
