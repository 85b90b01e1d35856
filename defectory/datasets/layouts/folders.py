"""One folder a class, files at any depth below it."""

from defectory.datasets.layouts.names import good_among
from defectory.datasets.layouts.source import Choices, Layout, LeftOut, Source, SourceFile
from defectory.datasets.layouts.tree import Tree


def _recognise(tree: Tree) -> str:
    return f"its folders are {', '.join(tree.top[:5])}" if tree.top else ""


def _read(tree: Tree, choices: Choices) -> Source:
    files = tuple(SourceFile(path, path.split("/", 1)[0]) for path in tree.files if "/" in path)
    beside = tuple(LeftOut(path, "it lies beside the class folders") for path in tree.files if "/" not in path)
    good = choices.good or good_among({file.label for file in files})
    return Source(tree.root, FOLDERS.name, files, good, beside)


FOLDERS = Layout(
    name="folders",
    on_disk="`<class>/…/x.png`",
    recognised_by="nothing else fits",
    label="the folder's name",
    split="none",
    mask="none",
    group="found",
    described_in="the convention of Keras' `image_dataset_from_directory` and torchvision's `ImageFolder`",
    recognise=_recognise,
    read=_read,
)
