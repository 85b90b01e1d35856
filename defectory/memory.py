"""Memory for work that asks for the same large blocks again and again: kept when freed, and mapped in huge pages.

glibc gives every block above 32 MiB, and whatever is free above 64 MiB at the end of its heap, back to the kernel at
once. The next one is then filled with zeros and mapped anew, a fault a page of 4 KiB: up to a third of the time of a
generator's step. See mallopt(3) and madvise(2), MADV_HUGEPAGE.
"""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from defectory.errors import Exhausted

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
NEVER = 2**31 - 1  # bytes; the largest that mallopt takes
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # torch's, which looks at its first large block; NumPy asks for them by itself


def keep_freed_memory() -> bool:
    """From now on let freed blocks wait in the heap for their next use; returns whether this C library can.

    What the environment says (`MALLOC_MMAP_THRESHOLD_`, `MALLOC_TRIM_THRESHOLD_`, `THP_MEM_ALLOC_ENABLE`) stays so.
    """
    os.environ.setdefault(HUGE_PAGES, "1")
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    thresholds = {"MALLOC_MMAP_THRESHOLD_": M_MMAP_THRESHOLD, "MALLOC_TRIM_THRESHOLD_": M_TRIM_THRESHOLD}
    return all(library.mallopt(number, NEVER) == 1 for name, number in thresholds.items() if name not in os.environ)


def give_back() -> None:
    """Give what is free in the heap back to the kernel, where this C library can: it would be kept for later.

    What errors hold in circles, frames with all that was read in them, is let go first.
    """
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Exhausted, not MemoryError, where there is not enough for something.

    Args:
        what: it is, for a person, with its size.
    """
    try:
        yield
    except MemoryError as error:
        raise Exhausted(f"there is not enough memory for {what}") from error
