"""Magnetic tiles as published: `MT_<Kind>/Imgs/x.jpg` and `x.png`; `MT_Free` is good.

A tile is photographed under six exposures. The file names (`exp1_num_4727`) carry the exposure and a running number
from which the tile cannot be read: see docs/decisions/0019-magnetic-tiles-are-found.md.
"""

import re
from pathlib import Path, PurePosixPath

from defectory.datasets.layouts.level import part_of
from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import Choices, Layout, Source, SourceFile
from defectory.datasets.layouts.tree import Tree

_FOLDER = re.compile(r"MT_\w+")
_GOOD = "Free"
_PHOTOGRAPH, _MASK = ".jpg", ".png"


def _recognise(tree: Tree) -> str:
    folders = [f"{folder}/Imgs" for folder in _kinds(tree)]
    if folders:
        return f"it holds {', '.join(folders[:3])}{', …' if len(folders) > 3 else ''}"
    return "it is the folder of one kind of magnetic tiles" if _above(tree) else ""


def _kinds(tree: Tree) -> list[str]:
    return [folder for folder in tree.top if _FOLDER.fullmatch(folder) and tree.has(f"{folder}/Imgs")]


def _above(tree: Tree) -> Path | None:
    """The folder of all kinds, where one kind's or the `Imgs` in it was given."""
    root = tree.root.absolute()
    if _FOLDER.fullmatch(root.name) and tree.has("Imgs"):
        return root.parent
    return root.parents[1] if root.name == "Imgs" and _FOLDER.fullmatch(root.parent.name) else None


def _read(tree: Tree, choices: Choices) -> Source:
    folders = _kinds(tree)
    if above := _above(tree):
        raise part_of(tree.root, "one kind of magnetic tiles", above)
    files = []
    for folder in folders:
        pictures = tree.pictures(f"{folder}/Imgs")
        masks = {PurePosixPath(path).stem: path for path in pictures if path.lower().endswith(_MASK)}
        for path in pictures:
            if path.lower().endswith(_PHOTOGRAPH):
                mask = masks.get(PurePosixPath(path).stem)
                files.append(SourceFile(path, folder.removeprefix("MT_"), masks=(MaskFile(mask),) if mask else ()))
    return Source(tree.root, MAGNETIC_TILE.name, tuple(files), _GOOD)


MAGNETIC_TILE = Layout(
    name="magnetic-tile",
    on_disk="`MT_<Kind>/Imgs/exp1_num_4727.jpg`, `exp1_num_4727.png`",
    recognised_by="folders `MT_<Kind>/Imgs`",
    label="the kind; `Free` is good",
    split="none",
    mask="the `.png` of the photograph's name",
    group="found: the running numbers do not tell the tile, and one tile is in the folders of several kinds",
    described_in="Huang et al., Surface defect saliency of magnetic tile (2018); abin24/Magnetic-tile-defect-datasets.",
    recognise=_recognise,
    read=_read,
)
