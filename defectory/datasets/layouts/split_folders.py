"""Class folders in split folders: `train/<class>/x.png`, `val/<class>/x.png`, `test/<class>/x.png`."""

from defectory.datasets.layouts.class_path import by_class, class_paths
from defectory.datasets.layouts.folders import folders_below
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree


def _recognise(tree: Tree) -> str:
    inside = [path for path in class_paths(tree) if path.in_split and path.is_photograph]
    splits = sorted({path.path.split("/")[path.kinds.index("split")] for path in inside})
    return f"{', '.join(splits)} hold{'s' if len(splits) == 1 else ''} class folders" if splits else ""


def _read(tree: Tree, choices: Choices) -> Source:
    paths = class_paths(tree, choices.good)
    files, left_out = by_class(paths, "outermost", in_splits=True)
    below = folders_below(path for path in paths if path.in_split)
    return Source(tree.root, SPLIT_FOLDERS.name, files, left_out=left_out, notes=below)


SPLIT_FOLDERS = Layout(
    name="split-folders",
    on_disk="`train/<class>/…/x.png`, `val/…` (`valid`, `validation`), `test/…`",
    recognised_by="folders of splits that hold class folders",
    label="the folder below the split's",
    split="the split's folder",
    mask="by name, folder or content",
    group="found",
    described_in="torchvision's `ImageFolder`, Ultralytics' classification data sets, Hugging Face's `imagefolder`",
    recognise=_recognise,
    read=_read,
    refines=("folders",),
    any_tree=True,
)
