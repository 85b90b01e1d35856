"""BTAD: the folders of MVTec AD with `ok` and `ko`."""

from defectory.datasets.layouts.mvtec import looks_like_a_category, read_category
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree


def _recognise(tree: Tree) -> str:
    return looks_like_a_category(tree, "ok")


def _read(tree: Tree, choices: Choices) -> Source:
    return read_category(tree, choices, BTAD.name, "ok")


BTAD = Layout(
    name="btad",
    on_disk="`train/ok/x.bmp`, `test/{ok,ko}/x.bmp`, `ground_truth/ko/x.png` (or `.bmp`)",
    recognised_by="folders `ok` in `train` or `test`, and `ground_truth` (or nothing but `ok` in `train`)",
    label="`ok` is good, `ko` the defect",
    split="the split's folder",
    mask="`ground_truth`, of the photograph's name with any ending",
    group="found",
    described_in="Mishra et al., VT-ADL (ISIE 2021); anomalib's `BTech`",
    recognise=_recognise,
    read=_read,
)
