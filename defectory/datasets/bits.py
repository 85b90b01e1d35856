"""How many bits the values of a set's 16-bit files use: cameras of 10, 12 and 14 bits store them so, without a word.

One file cannot tell (it may be dark), so the whole set is looked at, and all its files are read alike.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from defectory.errors import DefectoryError, InvalidInput
from defectory.imaging import FULL_DEPTH, largest_value, may_use_fewer_bits
from defectory.imaging.samples import bits_used

MIN_BITS = 8
_DARK_BITS = 4  # fewer than the set's: such a file has a sixteenth of the range
_WORKERS = 4
_BLOCK = 64  # files


@dataclass(frozen=True)
class Depth:
    """What 16-bit files of a set use.

    Attributes:
        bits: in [8, 16]; 16 where no file has 16 bits, or all their range is used.
        note: what a person has to know of it; "": nothing.
    """

    bits: int
    note: str = ""


def check_bits(bits: int | None) -> None:
    """InvalidInput unless the bits can be those of a camera; None: they are to be found."""
    if bits is not None and not MIN_BITS <= bits <= FULL_DEPTH:
        right = f"use {MIN_BITS} to {FULL_DEPTH}, the bits of your camera's values"
        raise InvalidInput(f"bits are {bits}: {right}", {"bits": right})


def find_bits(paths: Sequence[Path], report: Callable[[int, int], None] = lambda _done, _of: None) -> Depth:
    """Look at the largest values of all 16-bit files. What cannot be read is said when it is ingested."""
    largest: list[int] = []
    for done, value in enumerate(_largest(paths), start=1):
        report(done, len(paths))
        if value is not None:
            largest.append(value)
    if not largest:
        return Depth(FULL_DEPTH)
    bits = bits_used(max(largest))
    if bits < FULL_DEPTH:
        return Depth(
            bits,
            f"the values of {len(largest)} files of 16 bits use {bits} bits (the largest is {max(largest)}): they are "
            "read so, here and when they are classified; --bits says it if the camera has more",
        )
    dark = [value for value in largest if value >> (bits - _DARK_BITS) == 0]
    if dark:
        return Depth(
            bits,
            f"{len(dark)} of {len(largest)} files of 16 bits have no value above {max(dark)}, others reach "
            f"{max(largest)}: read alike, those are nearly black; ingest each camera's files by themselves",
        )
    return Depth(bits)


def _largest(paths: Sequence[Path]) -> Iterator[int | None]:
    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(paths), _BLOCK):
            yield from pool.map(_largest_of, paths[start : start + _BLOCK])


def _largest_of(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            head = file.read(32)
            return largest_value(head + file.read()) if may_use_fewer_bits(head) else None
    except (DefectoryError, OSError):
        return None
