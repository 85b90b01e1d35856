"""Ingest beside an earlier checkout: `python -m bench.ingest --before CHECKOUT`.

JPEGs of 1024 x 1024 px are drawn once and ingested by both in turns. Reading and storing grow with the number of
pictures, finding groups with its square; so groups are also found among as many drawn descriptions as are asked for.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from bench.record import record
from bench.turns import COLUMNS, NOTES, in_turns, row, run, trees

WORK = Path(__file__).parent / "both/ingest_pictures.py"
SIDE_PX = 1024
COARSE_PX = 64  # of what the pictures show; noise lies over it


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--pictures", type=int, nargs="*", default=[500, 1000], help="how many JPEGs; 0: none")
    parser.add_argument("--descriptions", type=int, nargs="*", default=[10_000], help="among how many to find groups")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-record", action="store_true", help="only print")
    asked = parser.parse_args()
    both, rows = trees(asked.before), []
    with tempfile.TemporaryDirectory() as scratch:
        for count in filter(None, asked.pictures):
            folder = Path(scratch, str(count))
            draw(folder, count)
            every = in_turns(both, asked.rounds, lambda _, tree, __, at=str(folder): run(tree, [str(WORK), at]))
            rows.append(row(f"{count:,} JPEG of {SIDE_PX}², groups found, stored", every))
    for count in filter(None, asked.descriptions):
        every = in_turns(both, asked.rounds, lambda _, tree, __, of=str(count): run(tree, [str(WORK), of]))
        rows.append(row(f"groups among {count:,} descriptions", every))
    if asked.no_record:
        sys.stdout.write("\n".join(" | ".join(cells) for cells in (COLUMNS, *rows)) + "\n")
    else:
        command = "python -m bench.ingest --before CHECKOUT"
        packages = ("numpy", "scipy", "pillow", "opencv-python-headless")
        sys.stdout.write(record("Ingest beside an earlier checkout", command, COLUMNS, rows, NOTES, packages))


def draw(folder: Path, count: int) -> None:
    """JPEGs of coarse random structure under noise, two thirds of them good."""
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(60, 200, (COARSE_PX, COARSE_PX, 3), np.uint8))
        smooth = np.asarray(coarse.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC), np.int16)
        noisy = smooth + random.integers(-6, 7, (SIDE_PX, SIDE_PX, 1), np.int16)
        label = folder / ("good" if number % 3 else "defect")
        label.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(label / f"{number:05}.jpg", quality=92)


if __name__ == "__main__":
    main()
