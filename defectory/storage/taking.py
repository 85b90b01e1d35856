"""Objects of a store as files of this machine."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from defectory.errors import Corrupted
from defectory.storage.fetching import verified
from defectory.storage.store import ObjectStore

WORKERS = 8


def take_files(store: ObjectStore, files: Iterable[tuple[str, Path, str]]) -> int:
    """Bring objects to files, folders included; a file appears only when it is whole. How many there were.

    Args:
        files: (URI, path, SHA-256 that it has to have, or "" where nobody knows it).

    Raises:
        Corrupted: another SHA-256; the file is taken away again.
        NotFound, Refused, Unavailable, …: the first that could not be brought; those before it stay.
    """

    def take(item: tuple[str, Path, str]) -> None:
        uri, path, sha256 = item
        path.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(store.key(uri), path)
        if sha256:
            try:
                verified(path.read_bytes(), uri, sha256)
            except Corrupted:
                path.unlink()
                raise

    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(1 for _ in pool.map(take, files))
