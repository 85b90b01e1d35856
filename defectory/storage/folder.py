"""A store in a folder of this machine: the embedded default."""

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from defectory.errors import AlreadyExists, DefectoryError, Exhausted, InvalidInput, NotFound, Refused, Unavailable
from defectory.storage.keys import Rooted, check_key
from defectory.storage.store import ObjectInfo

STAGING = ".staging"  # no key starts with '.', so half-written files are never listed

log = logging.getLogger(__name__)  # of the standard library, since programs that set up nothing use stores too


class FolderStore(Rooted):
    """ObjectStore over a folder: a write goes to a file of its own, then takes its name in one step."""

    def __init__(self, folder: str | Path) -> None:
        self._root = Path(folder).absolute()
        super().__init__(f"file://{self._root}")
        self._staging = self._root / STAGING
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
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
            shutil.copyfileobj(source, file, 1 << 20)
        return self.head(key)

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        with self._reading(key):
            return self._path(key).read_bytes()

    def get_file(self, key: str, path: Path) -> None:
        """Read an object into a file, which appears only when it is whole."""
        with self._reading(key), tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                with self._path(key).open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def head(self, key: str) -> ObjectInfo:
        """Describe an object without reading it."""
        with self._reading(key):
            return _info(key, self._path(key).stat())

    def exists(self, key: str) -> bool:
        """Whether there is an object at the key."""
        with self._reading(key):
            return self._path(key).is_file()

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with the prefix, in the order of their keys.

        What cannot be looked into below the prefix's folder is logged and left out: it hides nothing beside it.
        """
        parent = prefix.rpartition("/")[0]
        if parent:
            check_key(parent)
        yield from self._walk(self._entries(parent), f"{parent}/" if parent else "", prefix)

    def delete(self, key: str) -> None:
        """Remove an object; no error when there is none."""
        path = self._path(key)
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _walk(self, entries: Iterable[os.DirEntry[str]], at: str, prefix: str) -> Iterator[ObjectInfo]:
        # "a-b" sorts before "a/c": a folder takes its place with its slash, as in S3's order of whole keys.
        for name, entry in sorted((e.name + "/" if _is_folder(e) else e.name, e) for e in entries):
            key = at + name
            try:
                found: Iterable[ObjectInfo] = ()
                if not name.endswith("/") and key.startswith(prefix):
                    found = (_info(key, entry.stat()),)
                elif name.endswith("/") and (key.startswith(prefix) or prefix.startswith(key)):
                    found = self._walk(self._entries(key[:-1]), key, prefix)
            except FileNotFoundError:
                continue  # deleted while we list
            except (OSError, DefectoryError) as error:
                log.warning("left out of a list: %s: %s", key, error)
                continue
            yield from found

    def _entries(self, folder: str) -> Sequence[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / folder) as entries:
                return [entry for entry in entries if not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _of(error, f"the folder {self.url}/{folder} cannot be read: {error}") from error

    @contextmanager
    def _staged(self, key: str, if_absent: bool) -> Iterator[BinaryIO]:
        target = f"{self._root}/{check_key(key)}"
        temporary: str | None = None
        try:
            descriptor, temporary = tempfile.mkstemp(dir=self._staging)
            with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor, not a path
                yield file
                file.flush()
                os.fsync(file.fileno())
            # Fails when the name is taken: one of many writers wins.
            take_name = os.link if if_absent else os.replace
            try:
                take_name(temporary, target)
            except FileNotFoundError:  # most objects go where others are already
                self._make_parent(Path(target))
                take_name(temporary, target)
        except FileExistsError as error:
            raise AlreadyExists(f"{self.uri(key)} exists already") from error
        except (NotADirectoryError, IsADirectoryError) as error:
            raise InvalidInput(
                f"{self.uri(key)}: a part of this key is an object itself, or the key is a folder"
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Exhausted(f"no space left for {self.uri(key)}: {error}") from error
            raise Unavailable(f"{self.uri(key)} cannot be written: {error}") from error
        finally:
            if temporary is not None:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)  # noqa: PTH108  # a path object costs more than the call

    @staticmethod
    def _make_parent(target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise NotADirectoryError(str(error)) from error

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(f"{self.uri(key)} does not exist") from error
        except OSError as error:
            raise _of(error, f"{self.uri(key)} cannot be read: {error}") from error


def _of(error: OSError, message: str) -> DefectoryError:
    return Refused(message) if isinstance(error, PermissionError) else Unavailable(message)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or into a folder that is closed to us
        return False


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, stat.st_size, f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}")
