"""A picture's path read as class folders: which folder is a split, a container, a place of masks, or a class."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from defectory.datasets.layouts.names import is_no_label, masks_for, split_of
from defectory.datasets.layouts.source import LeftOut, SourceFile
from defectory.datasets.layouts.tree import Tree, is_foreign_picture, is_picture
from defectory.datasets.manifest_line import Split

NO_CLASS = "no folder above it names a class"
BESIDE_SPLITS = "it lies beside the split folders"
NO_PICTURE = "not a picture by its ending"
UNLABELLED = "its folder says that it has no label"


@dataclass(frozen=True)
class ClassPath:
    """A path, and what its folders say.

    Attributes:
        classes: the folders that can be a label, outermost first.
        split: as the innermost folder that names one says; "none" where none does.
        kinds: of every folder: "split", "container", "mask", "date", "nothing" or "" for a class.
    """

    path: str
    classes: tuple[str, ...]
    split: Split
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, path: str, good: str = "", masks: Container[str] = ()) -> "ClassPath":
        """Read a path's folders.

        Args:
            good: a folder that a person calls good: it is a class, whatever its name.
            masks: folders that hold the masks of another folder.
        """
        folders = PurePosixPath(path).parts[:-1]
        kinds = tuple("" if x == good else "mask" if x in masks else is_no_label(x) for x in folders)
        splits = [split for folder in folders if (split := split_of(folder))]
        classes = tuple(folder for folder, kind in zip(folders, kinds, strict=True) if not kind)
        return cls(path, classes, splits[-1] if splits else "none", kinds)

    @property
    def is_photograph(self) -> bool:
        """Whether its ending is a picture's, or it has none: then it is seen when it is opened."""
        return is_picture(self.path) or not PurePosixPath(self.path).suffix

    @property
    def is_mask(self) -> bool:
        """Whether it lies in a folder of masks."""
        return "mask" in self.kinds

    @property
    def in_split(self) -> bool:
        """Whether a folder of a split holds the folder of its class."""
        outermost = next((kind for kind in self.kinds if kind in ("split", "")), "")
        return outermost == "split" and bool(self.classes)


def class_paths(tree: Tree, good: str = "") -> list[ClassPath]:
    """Every file of a tree that lies in no folder of masks."""
    names = {PurePosixPath(folder).name for folder in tree.folders}
    masks = {name for name in names if masks_for(name) in names}
    return [path for file in tree.files if not (path := ClassPath.of(file, good, masks)).is_mask]


def by_class(
    paths: Iterable[ClassPath], level: Literal["outermost", "innermost"], in_splits: bool
) -> tuple[tuple[SourceFile, ...], tuple[LeftOut, ...]]:
    """Photographs labelled by their class folder, and what is none.

    Args:
        level: which of its class folders is a photograph's label.
        in_splits: only what lies below a folder of a split is a photograph.
    """
    files, left_out = [], []
    for path in paths:
        if not path.is_photograph:
            if path.classes and not is_foreign_picture(path.path):
                left_out.append(LeftOut(path.path, NO_PICTURE))
        elif "nothing" in path.kinds:
            left_out.append(LeftOut(path.path, UNLABELLED))
        elif not path.classes:
            left_out.append(LeftOut(path.path, NO_CLASS))
        elif in_splits and not path.in_split:
            left_out.append(LeftOut(path.path, BESIDE_SPLITS))
        else:
            label = path.classes[0 if level == "outermost" else -1]
            files.append(SourceFile(path.path, label, path.split))
    return tuple(files), tuple(left_out)
