"""What it costs to see that every picture is the one its manifest line describes.

    python -m bench.verification

Pictures of noise in a folder store whose files are in the system's cache: nothing to wait for, and so the worst case.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import repeat

import numpy as np

from bench.record import record
from defectory.datasets.manifest import image_key
from defectory.datasets.manifest_line import ManifestLine, PictureFile
from defectory.imaging import encode_png, network_input_of
from defectory.storage import ObjectStore, open_store
from defectory.storage.parallel import parallel_get

COMMAND = "python -m bench.verification"
FILES = {64: 500, 256: 100, 1024: 10}  # side in px -> pictures
REPEATS = 15


def main() -> None:
    """Measure and record."""
    rows = [_row(size_px, count) for size_px, count in FILES.items()]
    columns = ("pictures", "KB each", "read, ms each", "with verification", "read and decoded", "with verification")
    notes = (
        f"The fastest of {REPEATS} turns, with and without by turns; ratios to the column before. Decoded: as a\n"
        "classifier does it, to 64 px. Threads that read compute the hashes, beside the one that decodes."
    )
    record("Verified pictures", COMMAND, columns, rows, notes, packages=("numpy", "pillow"))


def _row(size_px: int, count: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"file://{folder}")
        lines, kilobytes = _dataset(store, size_px, count)
        plain, verified = _by_turns(lambda known: _read(store, lines, known))
        decoded, all_done = _by_turns(lambda known: _read(store, lines, known, network_input_of))
    return [
        f"{count} of {size_px} px", f"{kilobytes:.0f}", f"{plain / count * 1000:.2f}", f"×{verified / plain:.2f}",
        f"{decoded / count * 1000:.2f}", f"×{all_done / decoded:.2f}",
    ]  # fmt: skip


def _by_turns(work: Callable[[bool], float]) -> tuple[float, float]:
    """Seconds of the fastest turns without and with verification: the others shared the machine."""
    work(False)  # the files are in the cache from now on
    turns = [(work(False), work(True)) for _ in range(REPEATS)]
    return min(first for first, _ in turns), min(second for _, second in turns)


def _read(
    store: ObjectStore,
    lines: Sequence[ManifestLine],
    verify: bool,
    decode: Callable[[bytes, int], object] | None = None,
) -> float:
    """Seconds to read all pictures, with what is to be done with each of them."""
    started = time.perf_counter()
    hashes = (line.file.sha256 for line in lines) if verify else repeat("", len(lines))
    for _, content in parallel_get(store, [line.file.uri for line in lines], sha256s=hashes):
        if isinstance(content, Exception):
            raise content
        if decode is not None:
            decode(content, 64)
    return time.perf_counter() - started


def _dataset(store: ObjectStore, size_px: int, count: int) -> tuple[list[ManifestLine], float]:
    """Lines of different pictures, and the mean size of their files in KB."""
    random, lines, total = np.random.default_rng(0), [], 0
    for _ in range(count):
        data = encode_png(random.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8))
        sha256 = hashlib.sha256(data).hexdigest()
        store.put(image_key("bench", sha256), data)
        uri = store.uri(image_key("bench", sha256))
        lines.append(
            ManifestLine(file=PictureFile(uri=uri, sha256=sha256, width=size_px, height=size_px), label="good")
        )
        total += len(data)
    return lines, total / count / 1000


if __name__ == "__main__":
    main()
