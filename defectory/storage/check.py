"""Whether a store does what it promises: asked by `defectory doctor`, and by containers before they start."""

import os
import secrets
import sys
import time

from defectory.errors import AlreadyExists, DefectoryError, FailedPrecondition, Unavailable
from defectory.storage import open_store
from defectory.storage.store import ObjectStore

WAIT_S = 120.0


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


def main() -> int:
    """Wait for the store of DEFECTORY_STORE to answer, check it, and return an exit code."""
    url = os.environ.get("DEFECTORY_STORE", "")
    if not url:
        sys.stderr.write("DEFECTORY_STORE is not set: file:///folder or s3://bucket/prefix\n")
        return 2
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            check_store(open_store(url))
        except Unavailable as error:
            if time.monotonic() > deadline:
                sys.stderr.write(f"{url} did not answer within {WAIT_S:.0f} s: {error}\n")
                return 1
            time.sleep(1)
        except DefectoryError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        else:
            sys.stdout.write(f"{url} answers and knows conditional writes\n")
            return 0


if __name__ == "__main__":
    sys.exit(main())
