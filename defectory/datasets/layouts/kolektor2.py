"""KolektorSDD2: `train/10000.png` and `train/10000_GT.png`, the same in `test`; a black mask means a good part."""

from pathlib import PurePosixPath

from defectory.datasets.layouts.label_by_mask import GOOD, label_by_mask
from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.names import split_of
from defectory.datasets.layouts.source import Choices, Layout, Source, SourceFile
from defectory.datasets.layouts.tree import Tree

_MASK = "_GT.png"


def _recognise(tree: Tree) -> str:
    if not any(path.endswith(_MASK) for path in tree.files):
        return ""
    pairs = _pairs(tree)
    masked = [photograph for photograph, mask in pairs if mask]
    if len(masked) * 2 < len(pairs) or not masked:
        return ""
    folders = sorted({path.split("/")[0] for path in masked if "/" in path})
    return f"{' and '.join(folders) or 'it'} hold{'' if len(folders) > 1 else 's'} photographs and masks *{_MASK}"


def _pairs(tree: Tree) -> list[tuple[str, str]]:
    """(photograph, its mask or "") in the folders of splits, or in the folder itself where it is one of them."""
    places = {folder for folder in tree.top if split_of(folder)}
    if split_of(tree.root.absolute().name):
        places.add("")
    pictures = [path for path in tree.pictures() if path.rpartition("/")[0] in places]
    masks = {path for path in pictures if path.endswith(_MASK)}
    return [
        (path, mask if (mask := f"{PurePosixPath(path).with_suffix('')}{_MASK}") in masks else "")
        for path in pictures
        if path not in masks
    ]


def _read(tree: Tree, choices: Choices) -> Source:
    def place(path: str, label: str, mask: MaskFile) -> SourceFile:
        folder = path.split("/")[0] if "/" in path else tree.root.absolute().name
        return SourceFile(path, label, split_of(folder) or "none", masks=(mask,))

    files, left_out = label_by_mask(tree.root, _pairs(tree), place)
    return Source(tree.root, KOLEKTOR2.name, files, GOOD, left_out)


KOLEKTOR2 = Layout(
    name="kolektor2",
    on_disk="KolektorSDD2: `train/10000.png`, `train/10000_GT.png`, the same in `test`",
    recognised_by="files `x.png` and `x_GT.png` right in folders of splits, or in one of these",
    label="a black mask means good, else `defect`",
    split="the split's folder",
    mask="`*_GT.png`",
    group="found",
    described_in="Božič et al., Mixed supervision for surface-defect detection (Computers in Industry 2021); "
    "the loader of vicoslab/mixed-segdec-net-comind2021",
    recognise=_recognise,
    read=_read,
)
