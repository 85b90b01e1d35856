"""Whether a store does what it promises: asked by `defectory doctor`, and by every service before it serves."""

import secrets
import time

from defectory.errors import AlreadyExists, Corrupted, FailedPrecondition, Unavailable
from defectory.storage import open_store
from defectory.storage.store import ObjectStore

WAIT_S = 60.0  # a store that starts beside the services may come up after them


def check_store(store: ObjectStore) -> None:
    """Write, read, write if absent, and delete a small object.

    Raises:
        Corrupted: what is read is not what was written.
        FailedPrecondition: the server ignores If-None-Match, so two writers could both believe that they were first.
        Unavailable, Refused, …: as the store says.
    """
    key = f"checks/{secrets.token_hex(8)}"
    store.put(key, b"first")
    try:
        if store.get(key) != b"first":
            raise Corrupted(f"{store.url} does not give back what was written; use another store")
        store.put(key, b"second", if_absent=True)
    except AlreadyExists:
        return
    finally:
        store.delete(key)
    raise FailedPrecondition(
        f"{store.url}: this S3 server ignores If-None-Match on PUT; use one that knows conditional writes"
    )


def open_checked(url: str, wait_s: float = WAIT_S) -> ObjectStore:
    """Open the store and check it; one that does not answer yet is waited for.

    Raises:
        FailedPrecondition: see `check_store`. Unavailable: no answer within `wait_s` seconds.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            store = open_store(url)
            check_store(store)
            return store
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
