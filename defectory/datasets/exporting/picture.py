"""A dataset's image as it leaves: under which name, with which mask."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import InvalidInput

SPLIT_FOLDERS = {"train": "train", "validation": "val", "test": "test", "none": "unsplit"}  # val: as YOLO spells it


@dataclass(frozen=True, eq=False)  # a key of dictionaries, and a line is none
class Picture:
    """One image of the dataset.

    Attributes:
        line: of the manifest.
        name: of its file, without ending; no other image of the dataset has it, whatever its split.
        read_mask: its mask, bool (height, width), read when it is asked for; None where it has none.
    """

    line: ManifestLine
    name: str
    read_mask: Callable[[], np.ndarray] | None

    @property
    def split(self) -> str:
        """The folder of its split."""
        return SPLIT_FOLDERS[self.line.split]

    @property
    def kind(self) -> str:
        """The kind of defect where there is one, else the label."""
        return self.line.kind or self.line.label


@dataclass(frozen=True)
class Exported:
    """What a format makes of the pictures.

    Attributes:
        images: picture -> path of its PNG file, relative to the folder.
        masks: the same of those whose masks become files of their own.
        documents: path -> content.
        notes: what a person has to know of what is there and what is not.
    """

    images: dict[Picture, str]
    masks: dict[Picture, str]
    documents: dict[str, bytes]
    notes: tuple[str, ...] = ()


Write = Callable[[Sequence[Picture], str], Exported]  # of the pictures and the label of good parts


def names_of(lines: Iterable[ManifestLine]) -> list[str]:
    """A file name for every line: what it was called, and enough of its hash that no other image has it."""
    names = []
    for line in lines:
        seed = line.synthesis.seed if line.synthesis else None
        stem = f"seed{seed:06d}" if seed is not None else PurePosixPath(line.origin.source).stem or "image"
        plain = re.sub("[^0-9A-Za-z._-]+", "-", stem).lstrip("-.")[:60]  # not first: an option, or a hidden file
        names.append(f"{plain or 'image'}-{line.file.sha256[:12]}")
    return names


def folder_of(label: str) -> str:
    """A label as the name of a folder, on every system; labels that differ in other letters stay apart."""
    name = re.sub(r'[/\\:*?"<>|\0-\x1f]', "-", label).strip(". ")
    return name or "-"


def check_folders(pictures: Sequence[Picture]) -> None:
    """InvalidInput where two labels would share a folder."""
    labels: dict[str, str] = {}
    for label in sorted({name for picture in pictures for name in (picture.line.label, picture.kind)}):
        other = labels.setdefault(folder_of(label).casefold(), label)
        if other != label:
            raise InvalidInput(f"the labels {other!r} and {label!r} would lie in one folder; export as csv or coco")


def file_of(out: Path, path: str) -> Path:
    """A path of an export below its folder."""
    return out.joinpath(*PurePosixPath(path).parts)
