"""Many gets or puts at once, in order, with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import repeat
from typing import TypeVar

from defectory.errors import AlreadyExists, DefectoryError
from defectory.phases import each, phase
from defectory.storage.fetching import verified
from defectory.storage.store import NOT_NOW, ObjectStore

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4  # requests a worker in flight or waiting to be taken


def parallel_get(
    store: ObjectStore, uris: Iterable[str], workers: int = 8, sha256s: Iterable[str] | None = None
) -> Iterator[tuple[str, bytes | DefectoryError]]:
    """(URI, content) of every URI in order; one with which something is wrong gives its error and stops nothing.

    Args:
        sha256s: what each content's SHA-256 must be, hexadecimal; one that has another gives Corrupted. Empty, or
            none at all: it is not known. It costs little: the threads that read compute it, without Python's lock.

    Raises:
        Unavailable, Exhausted, Refused: the store lets nobody read. Nothing is wrong with the object, and who went on
            without it would work on another set every time.
    """

    def get(named: tuple[str, str]) -> tuple[str, bytes | DefectoryError]:
        uri, sha256 = named
        try:
            key = store.key(uri)
        except DefectoryError as error:  # malformed, or outside the store
            return uri, error
        try:
            return uri, verified(store.get(key), uri, sha256)
        except NOT_NOW:
            raise
        except DefectoryError as error:
            return uri, error

    pairs = zip(uris, repeat("") if sha256s is None else sha256s, strict=sha256s is not None)
    return each("reading", in_order(get, pairs, workers))


@phase("writing")
def parallel_put(
    store: ObjectStore, objects: Iterable[tuple[str, bytes]], workers: int = 8, *, if_absent: bool = False
) -> int:
    """Put every (key, content) and return how many were given; with if_absent what is there already stays as it is.

    Raises:
        Unavailable, Exhausted, …: the first put that failed; what was put before stays.
    """

    def put(item: tuple[str, bytes]) -> None:
        try:
            store.put(*item, if_absent=if_absent)
        except AlreadyExists:
            if not if_absent:
                raise

    return sum(1 for _ in in_order(put, objects, workers))


def in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int = 8) -> Iterator[Result]:
    """The result of every item in order, computed by threads, few of them ahead of what is taken."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= workers * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
