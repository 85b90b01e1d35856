"""Severstal steel defects: `train_images/x.jpg` and run lengths in `train.csv`; a picture without a row is good."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from defectory.datasets.layouts.delimited import decode_text, header, rows
from defectory.datasets.layouts.level import part_of
from defectory.datasets.layouts.run_lengths import RunLengths
from defectory.datasets.layouts.source import Choices, Layout, LeftOut, Source, SourceFile
from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput

_TABLE, _PICTURES = "train.csv", "train_images"
_UNLABELLED = "test_images"
_GOOD = "good"
_PIXELS = "encodedpixels"
_IMAGE, _KIND, _BOTH = "imageid", "classid", "imageid_classid"  # the competition's first table had both in one cell
TEST = f"{_TABLE} says nothing of {_UNLABELLED}"


def _recognise(tree: Tree) -> str:
    root = tree.root.absolute()
    if tree.has(_PICTURES) and _has_runs(tree.root / _TABLE):
        return f"{_TABLE} has run lengths of {_PICTURES}"
    return (
        f"{_TABLE} above it has its run lengths" if root.name == _PICTURES and _has_runs(root.parent / _TABLE) else ""
    )


def _has_runs(table: Path) -> bool:
    """Whether there is such a table, with columns for pictures and run lengths."""
    if not table.is_file():
        return False
    with table.open("rb") as file:
        columns = header(decode_text(file.readline(), _TABLE), ((_PIXELS,), (_IMAGE, _BOTH)))
    return _PIXELS in columns and bool(columns & {_IMAGE, _BOTH})


def _read(tree: Tree, choices: Choices) -> Source:
    if tree.root.absolute().name == _PICTURES and not tree.has(_PICTURES):
        raise part_of(tree.root, f"the pictures of {_TABLE}", tree.root.absolute().parent)
    if not tree.has(_TABLE):
        raise InvalidInput(f"{tree.root} holds no {_TABLE}, which has the run lengths of {_PICTURES}")
    masks: dict[str, dict[str, RunLengths]] = defaultdict(dict)  # name -> kind -> its runs
    for name, kind, runs in _rows(tree):
        if kind in masks[name]:
            raise InvalidInput(f"{_TABLE}, row {runs.row}: {name} has two rows of class {kind}; join their run lengths")
        masks[name][kind] = runs
    photographs = {path.split("/")[-1]: path for path in tree.pictures(_PICTURES)}
    files = []
    for name, path in photographs.items():
        of_picture = masks.get(name, {})
        kinds = tuple(f"defect_{kind}" for kind in of_picture)
        label = kinds[0] if kinds else _GOOD
        several = kinds if len(kinds) > 1 else ()
        files.append(SourceFile(path, label, masks=tuple(of_picture.values()), kinds=several))
    absent = sorted(masks.keys() - photographs.keys())
    notes = [f"{len(photographs) - len(masks.keys() & photographs.keys())} pictures without a row in {_TABLE} are good"]
    if absent:
        notes.append(f"{len(absent)} pictures of {_TABLE} are not in {_PICTURES}, e.g. {absent[0]}")
    left_out = tuple(LeftOut(path, TEST) for path in tree.pictures(_UNLABELLED))
    return Source(tree.root, SEVERSTAL.name, tuple(files), _GOOD, left_out, tuple(notes))


def _rows(tree: Tree) -> Iterator[tuple[str, str, RunLengths]]:
    """(picture's name, class, its run lengths) of every row that has any."""
    text = decode_text(tree.text(_TABLE), _TABLE)
    for number, row in rows(text, _TABLE, ((_PIXELS,), (_IMAGE, _BOTH))):
        name, _, kind = row[_BOTH].rpartition("_") if _BOTH in row else (row[_IMAGE], "", row.get(_KIND, ""))
        if not name or not kind:
            raise InvalidInput(f"{_TABLE}, row {number}: a picture or its class is missing")
        if row[_PIXELS]:
            yield name, kind, RunLengths(_TABLE, number, row[_PIXELS])


SEVERSTAL = Layout(
    name="severstal",
    on_disk="`train.csv`, `train_images/x.jpg`, `test_images/`",
    recognised_by="`train.csv` with `EncodedPixels` beside `train_images`",
    label="`defect_<ClassId>`, of several the first in the table, all are kept as kinds; without a row: `good`",
    split="none; `test_images` have no labels and are left out",
    mask="made from the run lengths: start and length, from 1, column by column",
    group="found",
    described_in="Kaggle, Severstal: Steel Defect Detection (2019), the competition's data page; both of its tables "
    "(`ImageId,ClassId,EncodedPixels` and `ImageId_ClassId,EncodedPixels`)",
    recognise=_recognise,
    read=_read,
)
