"""A store in this process's memory: for tests, and in place of one that does not exist yet."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from defectory.errors import AlreadyExists, NotFound
from defectory.storage.keys import Rooted, check_key
from defectory.storage.store import CHUNK_BYTES, ObjectInfo


class MemoryStore(Rooted):
    """ObjectStore over a dictionary; safe to use from many threads."""

    def __init__(self, url: str = "memory://store") -> None:
        super().__init__(url)
        self._objects: dict[str, bytes] = {}
        self._modified: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Write an object."""
        with self._lock:
            if if_absent and check_key(key) in self._objects:
                raise AlreadyExists(f"{self.uri(key)} exists already")
            self._objects[check_key(key)] = bytes(data)
            self._modified[key] = datetime.now(UTC)
        return self._info(key, data)

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise NotFound(f"{self.uri(key)} does not exist") from None

    def stream(self, key: str) -> Iterator[bytes]:
        """Read an object piece by piece."""
        data = self.get(key)
        for start in range(0, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Write a file's content."""
        return self.put(key, path.read_bytes())

    def get_file(self, key: str, path: Path) -> None:
        """Read an object into a file."""
        path.write_bytes(self.get(key))

    def head(self, key: str) -> ObjectInfo:
        """Describe an object."""
        return self._info(key, self.get(key))

    def exists(self, key: str) -> bool:
        """Whether there is an object at the key."""
        return check_key(key) in self._objects

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with the prefix, in the order of their keys."""
        with self._lock:
            objects = sorted((key, data) for key, data in self._objects.items() if key.startswith(prefix))
        return (self._info(key, data) for key, data in objects)

    def delete(self, key: str) -> None:
        """Remove an object; no error when there is none."""
        with self._lock:
            self._objects.pop(check_key(key), None)
            self._modified.pop(key, None)

    def _info(self, key: str, data: bytes) -> ObjectInfo:
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return ObjectInfo(key, len(data), etag, self._modified.get(key))
