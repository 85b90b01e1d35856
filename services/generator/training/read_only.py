"""A store in which nothing is written: what processes get of which another one writes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from defectory.storage import ObjectStore
from defectory.storage.store import ObjectInfo


class ReadOnly:
    """Reads from a store; writing and deleting do nothing, for another process does the same at the same time."""

    def __init__(self, store: ObjectStore) -> None:
        self.url = store.url
        self._store = store

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Nothing."""
        return ObjectInfo(key, len(data), hashlib.sha256(data).hexdigest())

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Nothing."""
        return ObjectInfo(key, path.stat().st_size, "")

    def delete(self, key: str) -> None:
        """Nothing."""

    def get(self, key: str) -> bytes:
        """As the store does."""
        return self._store.get(key)

    def stream(self, key: str) -> Iterator[bytes]:
        """As the store does."""
        return self._store.stream(key)

    def get_file(self, key: str, path: Path) -> None:
        """As the store does."""
        self._store.get_file(key, path)

    def head(self, key: str) -> ObjectInfo:
        """As the store does."""
        return self._store.head(key)

    def exists(self, key: str) -> bool:
        """As the store does."""
        return self._store.exists(key)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """As the store does."""
        return self._store.list(prefix)

    def uri(self, key: str) -> str:
        """As the store does."""
        return self._store.uri(key)

    def key(self, uri: str) -> str:
        """As the store does."""
        return self._store.key(uri)
