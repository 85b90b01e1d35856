"""Objects of a store as files of this machine."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from defectory.storage.store import ObjectStore

WORKERS = 8


def take_files(store: ObjectStore, files: Iterable[tuple[str, Path]]) -> int:
    """Bring (URI, path) to their paths, folders included; a file appears only when it is whole. How many there were.

    Raises:
        NotFound, Refused, Unavailable, …: the first that could not be brought; those before it stay.
    """

    def take(item: tuple[str, Path]) -> None:
        uri, path = item
        path.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(store.key(uri), path)

    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(1 for _ in pool.map(take, files))
