"""Where commands write what --out names: looked at before the work begins, and whole once it is there."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from defectory.errors import DefectoryError, Exhausted, InvalidInput
from defectory.storage.whole_file import whole_file
from orchestrator.cli.sources import meant_path


def file_to_write(out: Path, name: str) -> Path:
    """The file that is meant: `out`, or `name` in it where that is a folder.

    Args:
        name: the file's usual name, such as "screws.html".

    Raises:
        InvalidInput: its folder is not there (a folder of a mistyped name is not made), or takes no file.
    """
    file = out / name if out.is_dir() else out
    if file.is_dir():
        raise _wrong(f"{file} is a folder, and a file is to be written there: name another one")
    if not file.parent.is_dir():
        meant = meant_path(file.parent, ()) or f"; make it first (mkdir -p {file.parent}), or name another one"
        raise _wrong(f"there is no folder `{file.parent}` to write {file.name} to{meant}")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise _wrong(f"nothing may be written to the folder {file.parent}: name another one")
    return file


def folder_to_write(out: Path) -> Path:
    """The folder itself; it is made, with those above it, when the first file comes.

    Raises:
        InvalidInput: a file is in the way, or the folder that would get it takes none.
    """
    lowest = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not lowest.is_dir():
        raise _wrong(f"{lowest} is a file, and a folder is to be written there: name another one")
    if not os.access(lowest, os.W_OK | os.X_OK):
        raise _wrong(f"nothing may be written to the folder {lowest}: name another one")
    return out


def write_file(file: Path, data: bytes) -> None:
    """A file that appears when it is whole; the folder has to be there.

    Raises:
        Exhausted: the disk is full. InvalidInput: it cannot be written for another reason.
    """
    try:
        with whole_file(file) as unfinished:
            unfinished.write(data)
    except OSError as error:
        raise _of(error, file) from error


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Files, by their paths in a folder; what is missing of folders is made.

    Raises:
        Exhausted: the disk is full. InvalidInput: one cannot be written for another reason.
    """
    for name, data in files.items():
        file = folder / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _of(error, file.parent) from error
        write_file(file, data)


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, {"out": message})


def _of(error: OSError, path: Path) -> DefectoryError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exhausted(f"no space left for {path}: {error.strerror}")
    return InvalidInput(f"{path} cannot be written: {error.strerror}", {"out": str(error.strerror)})
