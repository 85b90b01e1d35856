"""KolektorSDD: `kos01/Part0.jpg` and `kos01/Part0_label.bmp`; the item's folder is the group."""

import re
from pathlib import PurePosixPath

from defectory.datasets.layouts.label_by_mask import GOOD, label_by_mask
from defectory.datasets.layouts.level import part_of
from defectory.datasets.layouts.source import Choices, Layout, Source, SourceFile
from defectory.datasets.layouts.tree import Tree

_ITEM = re.compile(r"kos\d+")
_MASK = "_label.bmp"


def _recognise(tree: Tree) -> str:
    items = sorted({path.split("/")[0] for path in tree.files if path.count("/") == 1 and _is_mask(path)})
    if items:
        return f"{', '.join(items[:3])}{', …' if len(items) > 3 else ''} hold photographs and masks *{_MASK}"
    return f"it is an item's folder with masks *{_MASK}" if _is_item(tree) else ""


def _is_mask(path: str) -> bool:
    return path.lower().endswith(_MASK) and bool(_ITEM.fullmatch(path.split("/")[0]))


def _is_item(tree: Tree) -> bool:
    named = _ITEM.fullmatch(tree.root.absolute().name)
    return bool(named) and any("/" not in path and path.lower().endswith(_MASK) for path in tree.files)


def _read(tree: Tree, choices: Choices) -> Source:
    if _is_item(tree):
        raise part_of(tree.root, "one item of KolektorSDD", tree.root.absolute().parent)
    pictures = [path for path in tree.pictures() if _ITEM.fullmatch(path.split("/")[0])]
    masks = {path.lower(): path for path in pictures if path.lower().endswith(_MASK)}
    pairs = [
        (path, masks.get(f"{PurePosixPath(path).with_suffix('')}{_MASK}".lower(), ""))
        for path in pictures
        if path.lower() not in masks
    ]
    files, left_out = label_by_mask(
        tree.root, pairs, lambda path, label, mask: SourceFile(path, label, group=path.split("/")[0], masks=(mask,))
    )
    return Source(tree.root, KOLEKTOR.name, files, GOOD, left_out)


KOLEKTOR = Layout(
    name="kolektor",
    on_disk="KolektorSDD: `kos01/Part0.jpg`, `kos01/Part0_label.bmp`",
    recognised_by="folders `kos<number>` with files `*_label.bmp`",
    label="a black mask means good, else `defect`",
    split="none",
    mask="`*_label.bmp`",
    group="the item's folder",
    described_in="Tabernik et al., Segmentation-based deep-learning approach for surface-defect detection (JIM 2020); "
    "the loader of vicoslab/mixed-segdec-net-comind2021",
    recognise=_recognise,
    read=_read,
)
