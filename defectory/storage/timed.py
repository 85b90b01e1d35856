"""A store whose calls count as reading and writing where time is measured (defectory/phases.py)."""

from collections.abc import Iterator
from pathlib import Path

from defectory.phases import each, phase
from defectory.storage.store import ObjectInfo, ObjectStore


class TimedStore:
    """ObjectStore that passes everything on."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.url = store.url
        self.uri = store.uri
        self.key = store.key

    @phase("writing")
    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Write an object."""
        return self._store.put(key, data, if_absent=if_absent)

    @phase("reading")
    def get(self, key: str) -> bytes:
        """Read a whole object."""
        return self._store.get(key)

    def stream(self, key: str) -> Iterator[bytes]:
        """Read an object piece by piece."""
        return each("reading", self._store.stream(key))

    @phase("writing")
    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Write a file's content."""
        return self._store.put_file(key, path)

    @phase("reading")
    def get_file(self, key: str, path: Path) -> None:
        """Read an object into a file."""
        self._store.get_file(key, path)

    @phase("reading")
    def head(self, key: str) -> ObjectInfo:
        """Describe an object."""
        return self._store.head(key)

    @phase("reading")
    def exists(self, key: str) -> bool:
        """Whether there is an object."""
        return self._store.exists(key)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects below a prefix."""
        return each("reading", self._store.list(prefix))

    @phase("writing")
    def delete(self, key: str) -> None:
        """Remove an object."""
        self._store.delete(key)
