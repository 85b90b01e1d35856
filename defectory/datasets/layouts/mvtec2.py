"""MVTec AD 2: parts under several lights, and test sets of which only one is labelled."""

from dataclasses import replace
from pathlib import PurePosixPath

from defectory.datasets.layouts.class_path import UNLABELLED, by_class, class_paths
from defectory.datasets.layouts.mvtec import masks_below, with_masks
from defectory.datasets.layouts.source import Choices, Layout, LeftOut, Source, SourceFile
from defectory.datasets.layouts.tree import Tree


def _recognise(tree: Tree) -> str:
    return "it holds test_public/good and test_public/bad" if _public(tree) else ""


def _public(tree: Tree) -> bool:
    return tree.has("test_public/good") or tree.has("test_public/bad")


def _read(tree: Tree, choices: Choices) -> Source:
    paths = class_paths(tree, choices.good)
    files, left_out = by_class((p for p in paths if not p.path.startswith("test_private")), "outermost", in_splits=True)
    private = tuple(LeftOut(path, UNLABELLED) for path in tree.pictures() if path.startswith("test_private"))
    grouped = [replace(file, group=_part(file)) for file in files]
    return Source(
        tree.root,
        MVTEC2.name,
        with_masks(grouped, masks_below(tree, "test_public/ground_truth")),
        "good",
        (*left_out, *private),
    )


def _part(file: SourceFile) -> str:
    """The part that a photograph shows: `<part>_<light>.png`, numbered anew in every folder."""
    path = PurePosixPath(file.path)
    return f"{path.parent}/{path.stem.partition('_')[0]}"


MVTEC2 = Layout(
    name="mvtec2",
    on_disk="`train/good`, `validation/good`, `test_public/{good,bad}`, `test_public/ground_truth/bad`, "
    "each `<part>_<light>.png`; `test_private…`",
    recognised_by="a folder `test_public/good` or `test_public/bad`",
    label="`good` or `bad`; `test_private` and `test_private_mixed` have none and are left out",
    split="the split's folder",
    mask="`test_public/ground_truth/bad/<part>_<light>_mask.png`",
    group="a part under all its lights",
    described_in="Heckler-Kram et al., The MVTec AD 2 Dataset (2025); anomalib's `MVTecAD2`",
    recognise=_recognise,
    read=_read,
)
