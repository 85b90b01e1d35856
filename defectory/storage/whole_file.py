"""A file of this machine that appears only when it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its name at the end; after an error nothing is left of it.

    Args:
        mode: who may read and write it, from the first byte on; the process's umask takes from it, as from any file's.
    """
    unfinished = path.with_name(f".{path.name[:100]}.{uuid4().hex}")
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "w+b") as file:  # noqa: PTH123  # a descriptor, not a path
            yield file
            file.flush()
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
