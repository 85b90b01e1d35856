"""NEU steel surfaces: the class is the prefix of the file name, NEU-DET has boxes in VOC XML; nothing is good."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from defectory.datasets.layouts.level import part_of
from defectory.datasets.layouts.names import split_of
from defectory.datasets.layouts.source import Choices, Layout, LeftOut, MaskSource, Source, SourceFile
from defectory.datasets.layouts.tree import Tree
from defectory.datasets.layouts.voc import read_annotation

# NEU-CLS abbreviates the classes in its file names, NEU-DET spells them out.
_CLASSES = {
    "cr": "crazing", "in": "inclusion", "pa": "patches", "ps": "pitted_surface", "rs": "rolled-in_scale",
    "sc": "scratches",
}  # fmt: skip
_NAME = re.compile(rf"(?P<prefix>{'|'.join([*_CLASSES, *_CLASSES.values()])})_\d+", re.IGNORECASE)
_BESIDE = ("ANNOTATIONS", "annotations")
_LEAST = 2  # classes: a folder of one class alone is a part of the data set
NO_ANNOTATION = "no annotation beside it, as the others have"
OTHER_FOLDER = "its name and its folder say two classes"


def _recognise(tree: Tree) -> str:
    classes: set[str] = set()
    for path in tree.pictures():
        if not (name := _class(path)):
            return ""
        classes.add(name)
    known = sorted(classes)
    if len(known) < (1 if _is_class(tree) else _LEAST):
        return ""
    return f"its files are called {', '.join(f'{name}_…' for name in known[:3])}{', …' if len(known) > 3 else ''}"


def _class(path: str) -> str:
    """The class in a file's name; "" where it has none of NEU's."""
    match = _NAME.fullmatch(PurePosixPath(path).stem)
    prefix = match["prefix"].lower() if match else ""
    return _CLASSES.get(prefix, prefix)


def _is_class(tree: Tree) -> bool:
    return tree.root.absolute().name.lower() in _CLASSES.values()


def _read(tree: Tree, choices: Choices) -> Source:
    if _is_class(tree):
        raise part_of(tree.root, "one class of NEU", tree.root.absolute().parent)
    annotations = _annotations(tree)
    above = tree.root.absolute().parent
    if not annotations and any((above / name).is_dir() for name in _BESIDE):
        raise part_of(tree.root, "a part of NEU-DET, whose annotations lie beside it", above)
    files, left_out = [], []
    boxes = 0
    for path in tree.pictures():
        label = _class(path)
        folders = {folder.lower() for folder in PurePosixPath(path).parts[:-1]}
        annotation = annotations.get(PurePosixPath(path).stem)
        if not label:
            continue
        if folders & set(_CLASSES.values()) - {label}:
            left_out.append(LeftOut(path, OTHER_FOLDER))
        elif annotations and not annotation:
            left_out.append(LeftOut(path, NO_ANNOTATION))
        else:
            kinds: tuple[str, ...] = ()
            masks: tuple[MaskSource, ...] = ()
            if annotation:
                said = read_annotation(tree, annotation)
                masks = said.masks
                kinds = tuple(dict.fromkeys((label, *said.names)))
                boxes += bool(masks)
            splits = [split for folder in PurePosixPath(path).parts[:-1] if (split := split_of(folder))]
            files.append(
                SourceFile(
                    path, label, splits[-1] if splits else "none", masks=masks, kinds=kinds if len(kinds) > 1 else ()
                )
            )
    notes = ["NEU has no photographs of good steel: a classifier can tell its kinds of defect apart, and nothing else"]
    if boxes:
        notes.append(f"the masks of {boxes} photographs are boxes around the defects, filled")
    return Source(tree.root, NEU.name, tuple(files), left_out=tuple(left_out), notes=tuple(notes))


def _annotations(tree: Tree) -> Mapping[str, str]:
    """Name of a photograph without ending -> its annotation, wherever that lies: the names are unique."""
    return {PurePosixPath(path).stem: path for path in tree.files if path.lower().endswith(".xml") and _class(path)}


NEU = Layout(
    name="neu",
    on_disk="NEU-CLS: `Cr_1.bmp`, `In_1.bmp`, …; NEU-DET: `IMAGES/crazing_1.jpg` or "
    "`train/images/crazing/crazing_1.jpg`, `ANNOTATIONS/crazing_1.xml`",
    recognised_by="every picture is called after one of its six classes: `Cr_1`, `rolled-in_scale_1`",
    label="the class in the file's name; no label is good",
    split="`train`, `validation`, where it is so divided",
    mask="the boxes of the VOC XML, filled; names of other classes in it are kept as kinds",
    group="found",
    described_in="Song and Yan, A noise robust method … for hot-rolled steel strip surface defects (2013), NEU's page; "
    "He et al., An end-to-end steel surface defect detection approach (2020)",
    recognise=_recognise,
    read=_read,
)
