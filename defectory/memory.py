"""Memory for work that asks for the same large blocks again and again: kept when freed, and mapped in huge pages.

glibc gives every block above 32 MiB, and whatever is free above 64 MiB at the end of its heap, back to the kernel at
once. The next one is then filled with zeros and mapped anew, a fault a page of 4 KiB: up to a third of the time of a
generator's step. See mallopt(3) and madvise(2), MADV_HUGEPAGE.

The heap itself is mapped in huge pages. torch can ask for them too (THP_MEM_ALLOC_ENABLE), block by block, but lays
each at the start of a page: what is cut off before and behind goes to small blocks, the hole is too small for the next
block of that size, and the heap grows by one in every turn.
"""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from defectory.errors import Exhausted

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
NEVER = 2**31 - 1  # bytes; the largest that mallopt takes
MADV_HUGEPAGE = 14  # of mman.h
HUGE_PAGE = 2**21  # bytes; where they are larger, the kernel takes what fits
HUGE_PIECE, HUGE_PIECES = 2**31 - 2**26, 4  # bytes of heap in huge pages: a free piece is less than what is given back
GUARD = 2**17  # bytes that stay between two pieces


def keep_freed_memory() -> bool:
    """From now on let freed blocks wait in the heap for their next use; returns whether this C library can.

    What the environment says (`MALLOC_MMAP_THRESHOLD_`, `MALLOC_TRIM_THRESHOLD_`) stays so.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    thresholds = {"MALLOC_MMAP_THRESHOLD_": M_MMAP_THRESHOLD, "MALLOC_TRIM_THRESHOLD_": M_TRIM_THRESHOLD}
    kept = all(library.mallopt(number, NEVER) == 1 for name, number in thresholds.items() if name not in os.environ)
    if kept and not any(name in os.environ for name in thresholds):
        _map_heap_in_huge_pages(library)
    return kept


def _map_heap_in_huge_pages(library: ctypes.CDLL) -> None:
    """Of the heap's next gigabytes, none of which is touched, nor counts as memory, before it is used."""
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    library.free.argtypes = [ctypes.c_void_p]
    pieces = []
    for _ in range(HUGE_PIECES):
        if not (block := library.malloc(HUGE_PIECE)):  # a limit of the address space
            break
        start = -(-block // HUGE_PAGE) * HUGE_PAGE
        library.madvise(start, (block + HUGE_PIECE - start) // HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE)
        library.malloc(GUARD)
        pieces.append(block)
    for block in pieces:
        library.free(block)


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
