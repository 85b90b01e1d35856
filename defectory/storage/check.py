"""Whether a store does what it promises: asked by `defectory doctor` before anything relies on it."""

import secrets

from defectory.errors import AlreadyExists, FailedPrecondition
from defectory.storage.store import ObjectStore


def check_store(store: ObjectStore) -> None:
    """Write, read, write if absent, and delete a small object.

    Raises:
        FailedPrecondition: the server ignores If-None-Match, so two writers could both believe that they were first.
        Unavailable, Refused, …: as the store says.
    """
    key = f"checks/{secrets.token_hex(8)}"
    store.put(key, b"first")
    try:
        store.put(key, b"second", if_absent=True)
    except AlreadyExists:
        return
    finally:
        store.delete(key)
    raise FailedPrecondition(
        f"{store.url}: this S3 server ignores If-None-Match on PUT; use one that knows conditional writes"
    )
