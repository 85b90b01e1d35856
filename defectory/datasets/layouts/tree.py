"""The files below a folder, listed once, for every layout to look at."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from defectory.errors import InvalidInput, NotFound

# Endings of files that can be pictures or masks. What such a file really holds is seen when it is opened.
PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff"})
# Pictures of formats that are not read: never passed over without a word.
FOREIGN_ENDINGS = frozenset({
    ".gif", ".webp", ".jp2", ".j2k", ".jxl", ".heic", ".heif", ".avif", ".pgm", ".ppm", ".pbm", ".pnm", ".tga", ".ico",
    ".dng", ".raw", ".cr2", ".nef", ".arw", ".exr", ".hdr", ".dcm", ".svg", ".psd", ".npy", ".npz", ".mat",
})  # fmt: skip
MAX_FILE_BYTES = 512 << 20  # a larger file is not opened
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"})  # what operating systems leave behind


@dataclass(frozen=True)
class Tree:
    """Everything below a folder that is neither hidden nor litter.

    Attributes:
        root: the folder.
        files: paths relative to it, '/'-separated, sorted. Links are followed, real folders are entered before linked
            ones, and every folder is entered once.
        named: the one file that was given in place of the folder, relative to it; "" where the folder was.
        links: links to files and folders that were followed.
        lost: (path, reason) of what could not be listed: links that lead nowhere, folders that cannot be read.
    """

    root: Path
    files: tuple[str, ...]
    named: str = ""
    links: tuple[str, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, path: Path) -> "Tree":
        """List what lies at a path: a folder, or the folder around a file.

        Raises:
            NotFound: there is nothing at the path.
        """
        if not path.exists():
            raise NotFound(f"{path} does not exist; give a folder of images or a table of them")
        root = path if path.is_dir() else path.parent
        walk = _Walk(root)
        walk.run()
        named = "" if path.is_dir() else path.name
        return cls(root, tuple(sorted(walk.files)), named, tuple(sorted(walk.links)), tuple(sorted(walk.lost)))

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
        """A file's bytes.

        Raises:
            InvalidInput: a layout that was asked for needs the file, and it is not there or cannot be read.
        """
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise InvalidInput(f"{self.root / path} cannot be read: {error.strerror or error}") from error

    @cached_property
    def documents(self) -> dict[str, Any]:
        """What was read of its files by those who looked before, so that no layout parses a large one again."""
        return {}

    @cached_property
    def _files(self) -> frozenset[str]:
        return frozenset(self.files)


def is_picture(path: str) -> bool:
    """Whether a file's ending is that of a picture."""
    return PurePosixPath(path).suffix.lower() in PICTURE_ENDINGS


def is_foreign_picture(path: str) -> bool:
    """Whether a file's ending is that of a picture in a format that is not read."""
    return PurePosixPath(path).suffix.lower() in FOREIGN_ENDINGS


@dataclass
class _Walk:
    """A walk through real folders first, then through linked ones: what is reached twice has its real path."""

    root: Path
    files: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)
    _entered: set[tuple[int, int]] = field(default_factory=set)  # device and inode

    def run(self) -> None:
        real, linked = [""], list[str]()
        while real or linked:
            folder = real.pop() if real else linked.pop(0)
            try:
                entries = self._enter(folder)
            except OSError as error:
                self.lost.append((folder, f"the folder cannot be read: {error.strerror or error}"))
                continue
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_symlink():
                    self._follow(path, linked)
                elif entry.is_dir():
                    real.append(path)
                elif entry.is_file():
                    self.files.append(path)

    def _enter(self, folder: str) -> Iterable[os.DirEntry[str]]:
        status = (self.root / folder).stat()
        if (status.st_dev, status.st_ino) in self._entered:
            self.links = [link for link in self.links if link != folder]
            self.lost.append((folder, "a link into a folder that is read already"))
            return []
        with os.scandir(self.root / folder) as entries:
            listed = sorted((entry for entry in entries if _is_wanted(entry.name)), key=lambda entry: entry.name)
        self._entered.add((status.st_dev, status.st_ino))
        for entry in listed:
            if not _is_text(entry.name):
                shown = entry.name.encode("utf-8", "backslashreplace").decode()
                self.lost.append((f"{folder}/{shown}".lstrip("/"), "its name is not UTF-8: rename it"))
        return [entry for entry in listed if _is_text(entry.name)]

    def _follow(self, path: str, linked: list[str]) -> None:
        target = self.root / path
        try:
            if target.is_dir() and self.root.resolve().is_relative_to(target.resolve()):
                self.lost.append((path, "a link to a folder above"))
                return
            if target.is_dir():
                linked.append(path)
            elif target.is_file():
                self.files.append(path)
            else:
                self.lost.append((path, "a link that leads nowhere"))
                return
            self.links.append(path)
        except OSError as error:  # e.g. a circle of links
            self.lost.append((path, f"a link that leads nowhere: {error.strerror or error}"))


def _is_wanted(name: str) -> bool:
    return not name.startswith(".") and name not in _LITTER


def _is_text(name: str) -> bool:
    """Whether a file's name is Unicode: a name that is not cannot be written into a manifest."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)
