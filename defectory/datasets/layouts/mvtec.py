"""MVTec AD: `train/good`, `test/<kind>`, `ground_truth/<kind>/<stem>_mask.png`."""

from pathlib import PurePosixPath

from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import Choices, Layout, Source, SourceFile
from defectory.datasets.layouts.tree import Tree


def _recognise(tree: Tree) -> str:
    signs = [folder for folder in ("train/good", "test/good", "ground_truth") if folder in tree.folders]
    return f"it holds {' and '.join(signs)}" if signs else ""


def _read(tree: Tree, choices: Choices) -> Source:
    """The photographs of train and test are one pool; the category's own split has no defects to train on."""
    masks = _masks(tree)
    files = []
    for part in ("train", "test"):
        for path in tree.below(part):
            pieces = path.split("/")
            if len(pieces) >= 3:
                mask = masks.get((pieces[1], PurePosixPath(path).stem))
                files.append(SourceFile(path, pieces[1], masks=(mask,) if mask else ()))
    return Source(tree.root, MVTEC.name, tuple(sorted(files, key=lambda file: file.path)), choices.good or "good")


def _masks(tree: Tree) -> dict[tuple[str, str], MaskFile]:
    """(kind, picture's name without extension) -> its mask."""
    masks = {}
    for path in tree.below("ground_truth"):
        pieces = path.split("/")
        if len(pieces) == 3:
            masks[(pieces[1], PurePosixPath(path).stem.removesuffix("_mask"))] = MaskFile(path)
    return masks


MVTEC = Layout(
    name="mvtec",
    on_disk="`train/good/x.png`, `test/<kind>/x.png`, `ground_truth/<kind>/x_mask.png`",
    recognised_by="a folder `train/good`, `test/good` or `ground_truth`",
    label="`good`, or the kind",
    split="pooled and split anew",
    mask="`ground_truth`",
    group="found",
    described_in="Bergmann et al., MVTec AD (CVPR 2019), the data set's page",
    recognise=_recognise,
    read=_read,
    refines=("folders",),
)
