"""VisA: `Data/Images/{Normal,Anomaly}`, `Data/Masks/Anomaly` and the kinds of defect in `image_anno.csv`."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from defectory.datasets.layouts.cells import labels_of
from defectory.datasets.layouts.delimited import decode_text, rows
from defectory.datasets.layouts.entries import Entry, pool
from defectory.datasets.layouts.level import part_of
from defectory.datasets.layouts.locating import Pictures
from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import Choices, Layout, Source, SourceFile
from defectory.datasets.layouts.tree import Tree
from defectory.errors import InvalidInput

_TABLE = "image_anno.csv"
_GOOD = "normal"
_UNKNOWN = "anomaly"


def _recognise(tree: Tree) -> str:
    folders = [folder for kind in ("Normal", "Anomaly") if (folder := f"{_data(tree)}Images/{kind}") in tree.folders]
    if folders:
        return f"it holds {' and '.join(folders)}"
    return "it is the folder Images of an object of VisA" if _above(tree) else ""


def _data(tree: Tree) -> str:
    return "Data/" if "Data/Images" in tree.folders else ""


def _above(tree: Tree) -> Path | None:
    """The object's folder, where one in it was given."""
    root = tree.root.absolute()
    if tree.has("Data/Images"):
        return None
    if tree.has("Images"):
        return root.parent if (root.parent / _TABLE).is_file() else None
    is_images = root.name == "Images" and (tree.has("Normal") or tree.has("Anomaly"))
    return root.parents[1] if is_images and (root.parents[1] / _TABLE).is_file() else None


def _read(tree: Tree, choices: Choices) -> Source:
    if above := _above(tree):
        raise part_of(tree.root, f"a part of an object of VisA, whose kinds of defect {_TABLE} names", above)
    if tree.has(_TABLE):
        known = pool(_entries(tree), choices)
        return Source(tree.root, VISA.name, known.files, _GOOD, known.left_out, known.notes)
    note = f"there is no {_TABLE}, so kinds of defect are not told apart: all are {_UNKNOWN}"
    return Source(tree.root, VISA.name, tuple(_by_folder(tree)), _GOOD, notes=(note,))


def _entries(tree: Tree) -> Iterator[Entry]:
    """Rows of the table. Its paths start above the object's folder, whatever that is called now."""
    pictures = Pictures(tree)
    for number, row in rows(decode_text(tree.text(_TABLE), _TABLE), _TABLE, (("image",), ("label",))):
        where = f"{_TABLE}, row {number}"
        path = pictures.find(row["image"], where)
        mask = row.get("mask", "")
        if mask and not (mask := pictures.find(mask, where)):
            raise InvalidInput(f"{where}: the mask {row['mask']} is not there")
        masks = (MaskFile(mask),) if mask else ()
        labels = labels_of(row["label"], where)
        yield Entry(path or row["image"], labels, masks=masks, is_there=bool(path))


def _by_folder(tree: Tree) -> Iterator[SourceFile]:
    data = _data(tree)
    masks = {PurePosixPath(path).stem: path for path in tree.pictures(f"{data}Masks/Anomaly")}
    for path in tree.pictures(f"{data}Images/Normal"):
        yield SourceFile(path, _GOOD)
    for path in tree.pictures(f"{data}Images/Anomaly"):
        mask = masks.get(PurePosixPath(path).stem)
        yield SourceFile(path, _UNKNOWN, masks=(MaskFile(mask),) if mask else ())


VISA = Layout(
    name="visa",
    on_disk="`Data/Images/{Normal,Anomaly}/x.JPG`, `Data/Masks/Anomaly/x.png`, `image_anno.csv`",
    recognised_by="folders `Data/Images/Normal` and `Anomaly`",
    label="`image_anno.csv`: `normal`, or the kind; of several (`melt, scratch`) the first, all are kept as kinds; "
    "without the table `normal` and `anomaly`",
    split="none",
    mask="`Data/Masks/Anomaly`, class numbers: any value above 0 is the defect",
    group="found",
    described_in="Zou et al., SPot-the-Difference (ECCV 2022); amazon-science/spot-diff, utils/prepare_data.py",
    recognise=_recognise,
    read=_read,
    refines=("csv",),
)
