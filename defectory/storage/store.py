"""The ObjectStore contract: a small verb set over keys, the same in a folder, in memory and on S3."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from defectory.errors import Exhausted, Refused, Unavailable

CHUNK_BYTES = 1 << 20  # of what is read or written piece by piece
NOT_NOW = (Unavailable, Exhausted, Refused)  # of a store that was in use: it comes back, room is made, keys are renewed


@dataclass(frozen=True)
class ObjectInfo:
    """What a store knows of an object."""

    key: str
    size_bytes: int
    etag: str  # changes whenever the content does
    modified: datetime | None = field(default=None, compare=False)  # UTC; of `head` and `list`, where the store says it


class ObjectStore(Protocol):
    """Objects by key ("datasets/x/manifest.jsonl"; '/'-separated, no '..', no leading '/').

    A put is atomic: a reader sees all of the object or none of it, whatever happens to the writer.
    Errors of every verb: InvalidInput (malformed key), NotFound, Unavailable (after bounded retries), Exhausted (disk
    full), Refused (credentials), Corrupted (checksum).
    """

    url: str  # the root, e.g. "file:///srv/defectory" or "s3://bucket/prefix"

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Write an object; with if_absent, AlreadyExists when the key is taken (one of many writers wins)."""

    def get(self, key: str) -> bytes:
        """Read a whole object."""

    def stream(self, key: str) -> Iterator[bytes]:
        """Read an object piece by piece, a few MiB at most in memory; nothing is read before the first is asked for."""

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Write a file's content without holding it in memory."""

    def get_file(self, key: str, path: Path) -> None:
        """Read an object into a file, which appears only when it is whole."""

    def head(self, key: str) -> ObjectInfo:
        """Describe an object without reading it."""

    def exists(self, key: str) -> bool:
        """Whether there is an object at the key."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose key starts with the prefix, in the order of their keys."""

    def delete(self, key: str) -> None:
        """Remove an object; no error when there is none."""

    def uri(self, key: str) -> str:
        """The key's URI under this store's root."""

    def key(self, uri: str) -> str:
        """The key of a URI; Refused when it does not lie under this store's root."""
