"""What breaks while a line runs, tried with real processes: `python -m tests.chaos --tries 5`.

A line of a few drawn cables is run undisturbed; then once more for each try of a fault. What it makes has to be the
same to the byte: weights, images, verdicts, figures. `--write` puts the table into docs/reliability.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.record import record
from tests.chaos.corrupted import corrupted
from tests.chaos.disk import full
from tests.chaos.kills import killed, lifetimes
from tests.chaos.line import Line, outcome
from tests.chaos.outcome import COLUMNS, Outcome, table
from tests.chaos.restarted import restarted
from tests.chaos.stores import faulty, outage
from tests.chaos.twice import twice

PAGE = Path(__file__).parents[2] / "docs/reliability.md"
SECTION = "What was tried"
FAULTS = ("kills", "disk", "twice", "corrupted", "stores", "outage", "restarted")


def main() -> int:
    """Try, print, and say by the exit code whether anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=3, help="runs for each fault; damaged objects are tried once each")
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=FAULTS, help="faults; all where none is named")
    parser.add_argument("--folder", type=Path, help="where stores stay, for the next time too; absent: they go")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        line = Line.drawn(asked.folder or Path(folder))
        url, lived = lifetimes(line)
        undisturbed = outcome(url)
        _say(f"undisturbed: {lived['orchestrator']:.0f} s")
        tried: dict[str, Callable[[], list[Outcome]]] = {
            "kills": lambda: killed(line, asked.tries, lived, undisturbed),
            "stores": lambda: faulty(line, asked.tries, undisturbed),
            "outage": lambda: outage(line, asked.tries, undisturbed),
            "restarted": lambda: restarted(line, asked.tries, lived, undisturbed),
            "disk": lambda: full(line, asked.tries, undisturbed),
            "twice": lambda: twice(line, asked.tries, undisturbed),
            "corrupted": lambda: corrupted(line, url),
        }
        outcomes = list[Outcome]()
        for name in asked.only:
            outcomes += tried[name]()
            _say(table(outcomes))
            if asked.write:  # after each: what was tried stands there, whatever becomes of the rest
                rows = _with_others([one.row() for one in outcomes])
                only = "" if asked.only is FAULTS else f" --only {' '.join(asked.only)}"
                command = f"python -m tests.chaos --tries {asked.tries}{only} --write"
                record(SECTION, command, COLUMNS, rows, _notes(lived), ("torch", "tensorflow-cpu"), PAGE)
    return int(any(one.lost for one in outcomes))


def _with_others(rows: list[list[str]]) -> list[list[str]]:
    """The page's rows, with those of what was tried now in their places, and behind them what is new."""
    page = PAGE.read_text()
    lines = page.partition(f"## {SECTION}\n")[2].partition("\n## ")[0].splitlines()
    there = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    return list(({row[0]: row for row in there} | {row[0]: row for row in rows}).values())


def _notes(lived: dict[str, float]) -> str:
    return (
        f"The undisturbed line takes {lived['orchestrator']:.0f} s on this machine. The store of the store's faults is "
        "moto's S3 server where no other is named, that of the others a folder. Lost: the result is otherwise, the "
        "command does not end well, or nobody says what is damaged. Rows of what the command did not try are of an "
        "earlier day."
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
