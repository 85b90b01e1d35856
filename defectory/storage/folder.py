"""A store in a folder of this machine: the embedded default. Links below the folder are refused, not followed."""

import errno
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from defectory.errors import AlreadyExists, DefectoryError, Exhausted, InvalidInput, NotFound, Refused, Unavailable
from defectory.storage import beneath
from defectory.storage.keys import Rooted, check_key
from defectory.storage.store import CHUNK_BYTES, ObjectInfo
from defectory.storage.whole_file import whole_file

STAGING = ".staging"  # no key starts with '.', so half-written files are never listed
HELD = (STAGING, "datasets", "models", "runs", "operations")  # one of them, by which a folder is known to be a store

log = logging.getLogger(__name__)  # of the standard library, since programs that set up nothing use stores too


class FolderStore(Rooted):
    """ObjectStore over a folder: a write goes to a file of its own, then takes its name in one step."""

    def __init__(self, folder: str | Path, *, make: bool = True) -> None:
        self._root = str(Path(folder).absolute())
        super().__init__(f"file://{self._root}")
        if not make:
            if not any(Path(self._root, name).is_dir() for name in HELD):
                raise NotFound(f"there is no store at {self.url}")
            return
        try:
            Path(self._root).mkdir(parents=True, exist_ok=True)
            with beneath.folder(self._root, [STAGING], make=True):
                pass
        except OSError as error:
            raise Unavailable(f"the store {self.url} cannot be made: {error}") from error

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Write an object; with if_absent, AlreadyExists when the key is taken."""
        with self._staged(key, if_absent) as file:
            file.write(data)
            file.flush()
            return _info(key, os.fstat(file.fileno()))  # the file stays the same when it takes its name

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Write a file's content."""
        with path.open("rb") as source, self._staged(key, if_absent=False) as file:
            shutil.copyfileobj(source, file, CHUNK_BYTES)
        return self.head(key)

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        with self._reading(key), self._opened(key) as file:
            return file.read()

    def stream(self, key: str) -> Iterator[bytes]:
        """Read an object piece by piece."""
        with self._reading(key), self._opened(key) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def get_file(self, key: str, path: Path) -> None:
        """Read an object into a file, which appears only when it is whole."""
        with self._reading(key), whole_file(path) as file, self._opened(key) as source:
            shutil.copyfileobj(source, file, CHUNK_BYTES)

    def head(self, key: str) -> ObjectInfo:
        """Describe an object without reading it."""
        with self._reading(key), self._beside(key) as (folder, name):
            return _info(key, beneath.status(folder, name))

    def exists(self, key: str) -> bool:
        """Whether there is an object at the key."""
        try:
            self.head(key)
        except NotFound:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with the prefix, in the order of their keys.

        What cannot be looked into below the prefix's folder, and links, are logged and left out: they hide nothing
        beside them.
        """
        parent = prefix.rpartition("/")[0]
        if parent:
            check_key(parent)
        yield from self._walk(f"{parent}/" if parent else "", prefix)

    def delete(self, key: str) -> None:
        """Remove an object; no error when there is none."""
        with suppress(NotFound), self._reading(key), self._beside(key) as (folder, name):
            beneath.status(folder, name)
            os.unlink(name, dir_fd=folder)

    def _walk(self, at: str, prefix: str) -> Iterator[ObjectInfo]:
        """Objects below the folder `at` ("" or ending in '/'), which is opened anew from the root."""
        try:
            with beneath.folder(self._root, at.split("/")[:-1]) as folder, beneath.entries(folder) as entries:
                for name, entry in _in_order(entries):
                    yield from self._listed(at + name, entry, prefix)
        except (FileNotFoundError, NotADirectoryError):
            return
        except Refused as error:
            raise Refused(f"the folder {self.url}/{at}: {error}") from error
        except OSError as error:
            raise _of(error, f"the folder {self.url}/{at} cannot be read: {error}") from error

    def _listed(self, key: str, entry: "os.DirEntry[str]", prefix: str) -> Iterator[ObjectInfo]:
        """An object, or those of a folder (its key ends in '/'), as far as the prefix asks for them."""
        if not (key.startswith(prefix) or (key.endswith("/") and prefix.startswith(key))):
            return
        try:
            if entry.is_symlink():
                raise Refused("it is a link, and links are not followed")
            if key.endswith("/"):
                yield from self._walk(key, prefix)
            elif stat.S_ISREG((status := entry.stat(follow_symlinks=False)).st_mode):
                yield _info(key, status)
        except FileNotFoundError:
            return  # deleted while we list
        except (OSError, DefectoryError) as error:
            log.warning("left out of a list: %s: %s", key, error)

    @contextmanager
    def _beside(self, key: str) -> Iterator[tuple[int, str]]:
        """(descriptor of the folder that holds the object, the object's name in it)."""
        *parents, name = check_key(key).split("/")
        with beneath.folder(self._root, parents) as folder:
            yield folder, name

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        with self._beside(key) as (folder, name):
            descriptor = beneath.open_file(folder, name)
        with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor, not a path
            yield file

    @contextmanager
    def _staged(self, key: str, if_absent: bool) -> Iterator[BinaryIO]:
        *parents, name = check_key(key).split("/")
        try:
            with beneath.folder(self._root, [STAGING], make=True) as staging:
                temporary = secrets.token_hex(16)
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                descriptor = os.open(temporary, flags, 0o600, dir_fd=staging)
                try:
                    with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor, not a path
                        yield file
                        file.flush()
                        os.fsync(file.fileno())
                    with beneath.folder(self._root, parents, make=True) as folder:
                        with suppress(FileNotFoundError):
                            beneath.status(folder, name)  # a link is refused
                        # Fails when the name is taken: one of many writers wins.
                        take_name = os.link if if_absent else os.replace
                        take_name(temporary, name, src_dir_fd=staging, dst_dir_fd=folder)
                finally:
                    with suppress(FileNotFoundError):
                        os.unlink(temporary, dir_fd=staging)
        except FileExistsError as error:
            raise AlreadyExists(f"{self.uri(key)} exists already") from error
        except (NotADirectoryError, IsADirectoryError) as error:
            raise InvalidInput(
                f"{self.uri(key)}: a part of this key is an object itself, or the key is a folder"
            ) from error
        except Refused as error:
            raise Refused(f"{self.uri(key)} cannot be written: {error}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Exhausted(f"no space left for {self.uri(key)}: {error}") from error
            raise Unavailable(f"{self.uri(key)} cannot be written: {error}") from error

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(f"{self.uri(key)} does not exist") from error
        except Refused as error:
            raise Refused(f"{self.uri(key)}: {error}") from error
        except OSError as error:
            raise _of(error, f"{self.uri(key)} cannot be read: {error}") from error


def _of(error: OSError, message: str) -> DefectoryError:
    return Refused(message) if isinstance(error, PermissionError) else Unavailable(message)


def _in_order(entries: "list[os.DirEntry[str]]") -> "list[tuple[str, os.DirEntry[str]]]":
    """Entries by name, a folder's with its slash: "a-b" sorts before "a/c", as in S3's order of whole keys."""
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    named = [(entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in shown]
    return sorted(named, key=lambda item: item[0])


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return ObjectInfo(key, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))
