"""One folder a class, files at any depth below it."""

from collections import defaultdict
from collections.abc import Iterable

from defectory.datasets.layouts.class_path import ClassPath, by_class, class_paths
from defectory.datasets.layouts.source import Choices, Layout, Source
from defectory.datasets.layouts.tree import Tree


def _recognise(tree: Tree) -> str:
    classes = sorted({path.classes[0] for path in class_paths(tree) if path.classes and path.is_photograph})
    return f"its class folders are {', '.join(classes[:5])}{', …' if len(classes) > 5 else ''}" if classes else ""


def _read(tree: Tree, choices: Choices) -> Source:
    paths = class_paths(tree, choices.good)
    files, left_out = by_class(paths, "outermost", in_splits=False)
    return Source(tree.root, FOLDERS.name, files, left_out=left_out, notes=folders_below(paths))


def folders_below(paths: Iterable[ClassPath]) -> tuple[str, ...]:
    """What is said of folders below class folders: they are no labels."""
    below: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        if len(path.classes) > 1 and path.is_photograph:
            below[path.classes[0]].add(path.classes[1])
    if not below:
        return ()
    folder, names = min(below.items())
    some = ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")
    return (f"folders below a class are no labels (in {folder}: {some}); --layout inner-folders makes them labels",)


FOLDERS = Layout(
    name="folders",
    on_disk="`<class>/…/x.png`",
    recognised_by="nothing else fits",
    label="the outermost folder that is no split, container or place of masks",
    split="a folder below the class, as in `<class>/train/x.png`",
    mask="by name, folder or content",
    group="found",
    described_in="Keras' `image_dataset_from_directory` and torchvision's `ImageFolder`",
    recognise=_recognise,
    read=_read,
    any_tree=True,
)
