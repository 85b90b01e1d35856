"""The files below a folder, listed once, for every layout to look at."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from defectory.errors import NotFound

# Endings of files that can be pictures or masks. What such a file really holds is seen when it is opened.
PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff"})
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"})  # what operating systems leave behind


@dataclass(frozen=True)
class Tree:
    """Everything below a folder that is neither hidden nor litter.

    Attributes:
        root: the folder.
        files: paths relative to it, '/'-separated, sorted. Links are followed; a folder that is linked into itself is
            entered once.
        named: the one file that was given in place of the folder, relative to it; "" where the folder was.
    """

    root: Path
    files: tuple[str, ...]
    named: str = ""

    @classmethod
    def of(cls, path: Path) -> "Tree":
        """List what lies at a path: a folder, or the folder around a file.

        Raises:
            NotFound: there is nothing at the path.
        """
        if not path.exists():
            raise NotFound(f"{path} does not exist; give a folder of images or a table of them")
        root = path if path.is_dir() else path.parent
        return cls(root, tuple(sorted(_files_below(root))), "" if path.is_dir() else path.name)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds a file, however deep below it; without the root."""
        return frozenset(str(parent) for file in self.files for parent in PurePosixPath(file).parents[:-1])

    @cached_property
    def top(self) -> tuple[str, ...]:
        """Names of the folders right below the root, sorted."""
        return tuple(sorted(folder for folder in self.folders if "/" not in folder))

    def has(self, path: str) -> bool:
        """Whether there is such a file, or a folder with a file in it."""
        return path in self._files or path in self.folders

    def below(self, folder: str) -> list[str]:
        """The files below a folder, however deep; "" is the root."""
        return [file for file in self.files if not folder or file.startswith(f"{folder}/")]

    def pictures(self, folder: str = "") -> list[str]:
        """The files below a folder whose ending is a picture's."""
        return [file for file in self.below(folder) if is_picture(file)]

    def text(self, path: str) -> bytes:
        """A file's bytes."""
        return (self.root / path).read_bytes()

    @cached_property
    def _files(self) -> frozenset[str]:
        return frozenset(self.files)


def is_picture(path: str) -> bool:
    """Whether a file's ending is that of a picture."""
    return PurePosixPath(path).suffix.lower() in PICTURE_ENDINGS


def _files_below(root: Path) -> Iterator[str]:
    entered: set[tuple[int, int]] = set()  # device and inode: a link to a folder above would never end
    for folder, folders, files in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if _is_wanted(name))
        relative = Path(folder).relative_to(root)
        yield from ((relative / name).as_posix() for name in files if _is_wanted(name))


def _is_wanted(name: str) -> bool:
    return not name.startswith(".") and name not in _LITTER
