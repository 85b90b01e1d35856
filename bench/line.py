"""Where a finished run's time went: `python -m bench.line --store URL --run NAME`.

Every step's seconds by phase, as its operations recorded them while they worked, and the share of the machine's cores
that it used. Steps that were computed again count as they did the last time.
"""

import argparse
import sys

from bench.record import record
from defectory.storage import open_store
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.report.times import COLUMNS, StepTime, times_of

NOTES = (
    "starting: until the work could begin (a process, a framework's import, a network built); reading and writing: the "
    "store, and decoding; waiting: for an answer, or for whoever was asked before. Cores used: of what all could have "
    "computed meanwhile, by the processes that did the step's work; imports before they were forked off do not count."
)


def main() -> None:
    """Read a run's record, print its table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True, help="URL of the store")
    parser.add_argument("--run", required=True, help="the run's name")
    parser.add_argument("--record", action="store_true", help="write the table into docs/benchmarks.md too")
    asked = parser.parse_args()
    times = list(times_of(RunRecord(open_store(asked.store), asked.run)))
    if not times:
        sys.exit(f"run {asked.run!r} has no finished step that says where its time went; an older version made it")
    rows = [time.row() for time in times]
    rows.append(whole(times))
    if asked.record:
        record(f"The line, run {asked.run}", f"python -m bench.line --store URL --run {asked.run} --record",
               COLUMNS, rows, NOTES, ("numpy", "torch", "tensorflow"))  # fmt: skip
    else:
        print(*(" | ".join(row) for row in (COLUMNS, *rows)), sep="\n")  # noqa: T201


def whole(times: list[StepTime]) -> list[str]:
    """The row of all steps together; those side by side count each."""
    phases = [sum(column) for column in zip(*(time.spent.by_phase().values() for time in times), strict=True)]
    could = sum(time.spent.elapsed * time.machine_cores for time in times)
    share = sum(time.spent.cores for time in times) / could if could else 0.0
    return ["all", f"{sum(phases):.1f}", *(f"{seconds:.1f}" for seconds in phases), f"{share:.0%}"]


if __name__ == "__main__":
    main()
