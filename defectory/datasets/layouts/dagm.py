"""DAGM 2007: `Train/0001.PNG`, `Train/Label/0001_label.PNG` and `Train/Label/Labels.txt`, the same in `Test`."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from defectory.datasets.layouts.level import part_of
from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import Choices, Layout, LeftOut, Source, SourceFile
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.manifest_line import Split
from defectory.errors import InvalidInput

_SPLITS: Mapping[str, Split] = {"Train": "train", "Test": "test"}
_TABLE = "Labels.txt"
_MASK = "_label"
_GOOD, _DEFECT = "good", "defect"
UNLISTED = f"{_TABLE} does not list it"
CONTRADICTED = f"{_TABLE} calls it good, and it has a mask"


def _recognise(tree: Tree) -> str:
    holders = [split for split in _SPLITS if _is_split(tree, f"{split}/")]
    if holders:
        return f"it holds {' and '.join(f'{split}/Label' for split in holders)}"
    return "it is one split of a texture" if _is_split(tree, "") and tree.root.absolute().name in _SPLITS else ""


def _is_split(tree: Tree, folder: str) -> bool:
    """Whether a folder holds `Label` with the table or with masks, and photographs beside it."""
    marks = [path for path in tree.below(f"{folder}Label") if path.endswith(f"/{_TABLE}") or _is_mask(path)]
    return bool(marks) and any("/" not in path.removeprefix(folder) for path in tree.pictures(folder.rstrip("/")))


def _is_mask(path: str) -> bool:
    return PurePosixPath(path).stem.endswith(_MASK)


def _read(tree: Tree, choices: Choices) -> Source:
    splits = {split: name for split, name in _SPLITS.items() if _is_split(tree, f"{split}/")}
    if not splits and _is_split(tree, ""):
        raise part_of(tree.root, "one split of a texture of DAGM", tree.root.absolute().parent)
    files: list[SourceFile] = []
    left_out: list[LeftOut] = []
    for folder, split in splits.items():
        masks = {PurePosixPath(path).stem.removesuffix(_MASK): path for path in tree.pictures(f"{folder}/Label")}
        table = f"{folder}/Label/{_TABLE}"
        listed = dict(_listed(tree, table)) if tree.has(table) else None
        for path in tree.pictures(folder):
            if path.count("/") > 1:
                continue
            mask = masks.get(PurePosixPath(path).stem)
            faulty = bool(mask) if listed is None else listed.get(PurePosixPath(path).name)
            if faulty is None:
                left_out.append(LeftOut(path, UNLISTED))
            elif mask and not faulty:
                left_out.append(LeftOut(path, CONTRADICTED))
            else:
                label = _DEFECT if faulty else _GOOD
                files.append(SourceFile(path, label, split, masks=(MaskFile(mask),) if mask else ()))
    return Source(tree.root, DAGM.name, tuple(files), _GOOD, tuple(left_out))


def _listed(tree: Tree, table: str) -> Iterator[tuple[str, bool]]:
    """(photograph's name, whether it shows a defect) of each row: number, 0 or 1, name, number, mask's name or 0.

    The first line is the number of the texture alone.
    """
    for number, line in enumerate(tree.text(table).decode("utf-8-sig", errors="replace").splitlines(), start=1):
        cells = line.split()
        if len(cells) < 2:
            continue
        if len(cells) < 3 or cells[1] not in ("0", "1"):
            right = "use number, 0 or 1, name of the photograph, between tabs"
            raise InvalidInput(f"{table}, line {number}: {line!r:.80} is no row of DAGM: {right}")
        yield cells[2], cells[1] == "1"


DAGM = Layout(
    name="dagm",
    on_disk="one texture, e.g. `Class1`: `Train/0001.PNG`, `Train/Label/0001_label.PNG`, `Train/Label/Labels.txt`, the "
    "same in `Test`",
    recognised_by="`Train/Label` or `Test/Label` with `Labels.txt` or `*_label.PNG`",
    label="`Labels.txt`: 0 is `good`, 1 is `defect`; without it, what has a mask is a `defect`",
    split="`Train`, `Test`",
    mask="`Label/*_label.PNG`, an ellipse around the defect",
    group="found",
    described_in="Wieler and Hahn, Weakly Supervised Learning for Industrial Optical Inspection (DAGM 2007), the data "
    "set's page; the loaders of vicoslab/mixed-segdec-net-comind2021 and NVIDIA's UNet_Industrial",
    recognise=_recognise,
    read=_read,
)
