"""Folders and files below a root, opened part by part and through no link: what lies outside is out of reach.

Every part is opened relative to the folder before it. Whoever puts a link in a folder's place meanwhile, be it ever so
quick, has it refused: there is no moment between a look at a path and its use. See open(2), O_NOFOLLOW, and openat(2).
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from defectory.errors import Refused

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that somebody left among the objects must not be waited for.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def folder(root: str, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder below the root, which itself may be a link; closed at the end.

    Args:
        make: folders that are not there are made.

    Raises:
        Refused: a part is a link. FileNotFoundError, NotADirectoryError, …: as the system says.
    """
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            inner = _open(descriptor, part, _FOLDER, make=make)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(at: int, name: str) -> int:
    """A descriptor of a file in a folder, to be read.

    Raises:
        Refused: it is a link. FileNotFoundError: there is none, or it is no file. Other OSErrors as the system says.
    """
    descriptor = _open(at, name, _READ)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(name)
    return descriptor


@contextmanager
def entries(at: int) -> Iterator[list["os.DirEntry[str]"]]:
    """What lies in a folder; sizes can be asked for until the end."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
    try:
        with os.scandir(descriptor) as scan:
            listed = list(scan)
        yield listed
    finally:
        os.close(descriptor)


def status(at: int, name: str) -> os.stat_result:
    """What the system knows of a file in a folder.

    Raises:
        Refused: it is a link. FileNotFoundError: there is none, or it is no file. Other OSErrors as the system says.
    """
    file_status = os.stat(name, dir_fd=at, follow_symlinks=False)
    if stat.S_ISLNK(file_status.st_mode):
        raise _refused(name)
    if not stat.S_ISREG(file_status.st_mode):
        raise FileNotFoundError(name)
    return file_status


def _open(at: int, name: str, flags: int, *, make: bool = False) -> int:
    try:
        return os.open(name, flags, dir_fd=at)
    except FileNotFoundError:
        if not make:
            raise
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=at)
        return _open(at, name, flags)
    except OSError as error:
        if _is_link(at, name):
            raise _refused(name) from error
        raise


def _is_link(at: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _refused(name: str) -> Refused:
    return Refused(
        f"{name!r} is a link, and links are not followed: put what it leads to in its place, or mount it there"
    )
