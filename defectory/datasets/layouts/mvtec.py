"""MVTec AD and LOCO: `train/good`, `test/<kind>`, and masks in `ground_truth`, one or several an image."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from defectory.datasets.layouts.class_path import by_class, class_paths
from defectory.datasets.layouts.folders import folders_below
from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import Choices, Layout, Source, SourceFile
from defectory.datasets.layouts.tree import Tree


def looks_like_a_category(tree: Tree, good: str) -> str:
    """Why a tree is a category whose good parts lie in folders of this name; "" where it is none."""
    classes: dict[str, set[str]] = defaultdict(set)
    for folder in tree.folders:
        if folder.count("/") == 1:
            split, kind = folder.split("/")
            classes[split].add(kind)
    has_masks = "test" in tree.folders and bool(classes["ground_truth"])
    only_good_is_trained = classes["train"] == {good} and len(classes["test"]) > 1 and good in classes["test"]
    named_good = good in classes["train"] | classes["test"]
    if not (named_good and (has_masks or only_good_is_trained)):
        return ""
    signs = [folder for folder in (f"train/{good}", f"test/{good}", "ground_truth") if folder in tree.folders]
    return f"it holds {' and '.join(signs)}"


def read_category(tree: Tree, choices: Choices, name: str, good: str) -> Source:
    """Photographs by split and kind, each with its masks in `ground_truth/<kind>`."""
    paths = class_paths(tree, choices.good)
    files, left_out = by_class(paths, "outermost", in_splits=True)
    with_theirs = with_masks(files, masks_below(tree, "ground_truth"))
    return Source(tree.root, name, with_theirs, good, left_out, notes=folders_below(paths))


def masks_below(tree: Tree, folder: str) -> Mapping[tuple[str, str], list[str]]:
    """(kind, photograph's name without ending) -> its masks: `<kind>/<name>_mask.png`, or all of `<kind>/<name>/`."""
    masks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in tree.pictures(folder):
        *folders, name = path.removeprefix(f"{folder}/").split("/")
        if folders:
            kind, *inner = folders
            masks[(kind, inner[-1] if inner else PurePosixPath(name).stem.removesuffix("_mask"))].append(path)
    return masks


def with_masks(files: Iterable[SourceFile], masks: Mapping[tuple[str, str], Sequence[str]]) -> tuple[SourceFile, ...]:
    """The photographs of the test split with their masks; the same names in `train` show other parts."""
    return tuple(
        replace(file, masks=tuple(map(MaskFile, masks.get((file.label, PurePosixPath(file.path).stem), ()))))
        if file.split == "test"
        else file
        for file in files
    )


def _recognise(tree: Tree) -> str:
    return looks_like_a_category(tree, "good")


def _read(tree: Tree, choices: Choices) -> Source:
    return read_category(tree, choices, MVTEC.name, "good")


MVTEC = Layout(
    name="mvtec",
    on_disk="`train/good/x.png`, `test/<kind>/x.png`, `ground_truth/<kind>/x_mask.png`; LOCO: `validation/good/x.png`, "
    "`ground_truth/<kind>/x/000.png`, `001.png`, …",
    recognised_by="folders `good` in `train` or `test`, and `ground_truth` (or nothing but `good` in `train`)",
    label="`good`, or the kind",
    split="the split's folder",
    mask="`ground_truth`; several of one image are united, any value above 0 is the defect",
    group="found",
    described_in="Bergmann et al., MVTec AD (CVPR 2019) and MVTec LOCO AD (IJCV 2022), the data sets' pages",
    recognise=_recognise,
    read=_read,
)
