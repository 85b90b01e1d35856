"""What a layout says of the files below a folder, before any of them is opened as a picture."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from PIL import Image

from defectory.datasets.layouts.tree import Tree
from defectory.datasets.manifest_line import Split


class MaskSource(Protocol):
    """Where the mask of a picture comes from: a file, run lengths, polygons."""

    @property
    def path(self) -> str:
        """The file that it is read from, relative to the ingested folder."""
        ...

    def draw(self, root: Path, width: int, height: int) -> Image.Image:
        """The mask of an upright picture of width x height px: "L", 0 for good and 255 for faulty.

        Raises:
            DefectoryError: it cannot be read, or is of another size or aspect; says which and what would be right.
        """
        ...


@dataclass(frozen=True)
class SourceFile:
    """One file that is said to be a picture of a part."""

    path: str  # relative to the ingested folder, '/'-separated
    label: str
    split: Split = "none"  # as it lies on disk, whether it will be kept or not; "none": nothing is said of it
    group: str = ""  # files of one group show one part; "": to be found
    masks: tuple[MaskSource, ...] = ()  # united
    kinds: tuple[str, ...] = ()  # every kind of defect that is named for it, the label's first


@dataclass(frozen=True)
class LeftOut:
    """A file that is no picture to train on, or is not known to show anything, and why."""

    path: str
    reason: str  # the same words for all files of a kind: they are counted by it


@dataclass(frozen=True)
class Source:
    """What was recognised at a path.

    A layout's reader gives the files as they lie there; `rules.settle` then does what holds for every layout.
    """

    root: Path
    layout: str  # name of the layout
    files: tuple[SourceFile, ...]  # in any order; `settle` sorts them by path
    good: str = ""  # the label that means "no defect" where the layout itself says so; else `settle` proposes one
    left_out: tuple[LeftOut, ...] = ()  # `settle` adds every picture that is in no other list
    notes: tuple[str, ...] = ()  # sentences that a person has to read before the photographs are
    reason: str = ""  # why it was read by this layout; `read_source` fills it in


@dataclass(frozen=True)
class Choices:
    """What a person said of a folder that can be read in more than one way."""

    layout: str = ""  # name of the layout; "": recognised
    good: str = ""  # label of good parts; "": proposed
    masks: Literal["auto", "all", "none"] = "auto"  # what can be a mask is one where it is plain, always, or never
    keep_splits: bool = False  # the layout's own splits stay; else all files are one pool, split anew by group


@dataclass(frozen=True)
class Layout:
    """A way in which data sets lie on disk. The texts are the row of docs/ingest.md."""

    name: str  # as --layout takes it
    on_disk: str
    recognised_by: str
    label: str
    split: str
    mask: str
    group: str
    described_in: str  # the data set's page, or the code that reads it
    recognise: Callable[[Tree], str]  # why this tree is laid out so, as the end of a sentence; "": it is not
    read: Callable[[Tree, Choices], Source]
    refines: tuple[str, ...] = ()  # layouts that such a tree looks like as well, and that give way
    any_tree: bool = False  # fits nearly every tree: gives way to each layout that is more particular
    fixes_splits: bool = False  # its splits stay without being asked for: somebody wrote them down for this purpose
