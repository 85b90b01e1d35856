"""How long the steps of a finished run took, as its records have it: `python -m bench.steps RUN --store URL`.

Seconds are from a step's start to its end; a run that was stopped in between counts its last part only.
"""

import argparse
import json
import sys
from datetime import datetime

from defectory.storage import open_store
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import GENERATORS, INGEST
from orchestrator.pipeline.run_record import RunRecord

LEAST_S = 1  # below, a step is not worth a row


def table(store: ObjectStore, run: str) -> str:
    """The run's steps as a table in Markdown, and what they worked on in a sentence."""
    record = RunRecord(store, run)
    rows, total = ["| step | seconds |", "|---|---|"], 0.0
    recorded = record.pipeline()
    for step in line_of(recorded.arms, recorded.edits):
        known = json.loads(store.get(f"{record.prefix}steps/{step.name}.json"))  # also one that another version wrote
        seconds = (datetime.fromisoformat(known["finished"]) - datetime.fromisoformat(known["started"])).total_seconds()
        total += seconds
        if seconds >= LEAST_S:
            rows.append(f"| `{step.name}` | {seconds:.0f} |")
    rows.append(f"| in all | {total:.0f} |")
    ingested, trained = record.step(INGEST), record.step(GENERATORS)
    images = ingested.outputs.images if ingested else 0
    generators = trained.outputs.root if trained else {}
    kimg = ", ".join(f"{generator.kimg:g} ({label})" for label, generator in generators.items()) or "none"
    return "\n".join([*rows, "", f"{images} pictures; generators were shown so many kimg: {kimg}."])


def main() -> int:
    """Print a run's table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--store", required=True)
    given = parser.parse_args()
    sys.stdout.write(table(open_store(given.store), given.run) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
