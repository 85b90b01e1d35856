"""Operations that do next to nothing, beside an earlier checkout, through real services.

    python -m bench.whole_line --before CHECKOUT --folder FOLDER
    python -m bench.small_operations --before CHECKOUT --folder FOLDER

The first leaves the demo's run in a store of either checkout; on it the second evaluates, explains and filters a few
pictures, from the call to the answer. The first of each kind finds a service that has done nothing yet.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.record import record
from bench.turns import BEFORE, NOW, in_turns, run, trees

WORK = Path(__file__).parent / "both/ask_services.py"
REPEATS = 4  # after the first
COLUMNS = ("operation", "the first before, s", "now", "ratio", "warm before, s", "now", "ratio")


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--folder", type=Path, required=True, help="where `python -m bench.whole_line` left its stores")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-record", action="store_true", help="only print")
    asked = parser.parse_args()
    stores = {name: asked.folder.resolve() / f"demo-{name}-0" for name in (BEFORE, NOW)}
    every = in_turns(
        trees(asked.before), asked.rounds,
        lambda name, tree, _: run(tree, [str(WORK), stores[name].as_uri(), "demo", str(REPEATS)]),
    )  # fmt: skip
    answers = {name: [json.loads(taken.output.splitlines()[-1]) for taken in every[name]] for name in every}
    rows = []
    for operation in answers[NOW][0]:
        seconds = {name: [answer[operation] for answer in answers[name]] for name in (BEFORE, NOW)}
        first = [statistics.median(times[0] for times in seconds[name]) for name in (BEFORE, NOW)]
        warm = [statistics.median(t for times in seconds[name] for t in times[1:]) for name in (BEFORE, NOW)]
        rows.append([operation, *_cells(first), *_cells(warm)])
    if asked.no_record:
        sys.stdout.write("\n".join(" | ".join(cells) for cells in (COLUMNS, *rows)) + "\n")
    else:
        notes = f"Medians of {asked.rounds} rounds in turns, warm of {REPEATS} operations in each."
        command, packages = "python -m bench.small_operations --before CHECKOUT --folder FOLDER", ("tensorflow-cpu",)
        sys.stdout.write(record("Small operations beside an earlier checkout", command, COLUMNS, rows, notes, packages))


def _cells(both: Sequence[float]) -> list[str]:
    before, now = both
    return [f"{before:.1f}", f"{now:.1f}", f"{now / before:.2f}"]


if __name__ == "__main__":
    main()
