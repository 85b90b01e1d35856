"""How long the steps of a run take: as its records have it, or as a run expects it before it starts.

`python -m bench.steps RUN --store URL` prints the table of a finished run. Seconds are from a step's start to its end;
a run that was stopped in between counts its last part only.

`python -m bench.steps --expected good=200 --expected defect=100` prints what the preset `quick` is expected to take for
so many photographs on two cores of the machine that the estimate's constants were measured on.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from defectory.storage import open_store
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.durations import durations, expected_counts, kimg_of
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import GENERATORS, INGEST
from orchestrator.pipeline.presets import preset
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.pipeline.schedule import elapsed_s
from orchestrator.pipeline.settings import resolve

LEAST_S = 1  # below, a step is not worth a row
MINUTE_S = 60


def table(store: ObjectStore, run: str) -> str:
    """The run's steps as a table in Markdown, and what they worked on in a sentence."""
    record = RunRecord(store, run)
    rows, spans = ["| step | seconds |", "|---|---|"], []
    recorded = record.pipeline()
    for step in line_of(recorded.arms, recorded.edits):
        known = json.loads(store.get(f"{record.prefix}steps/{step.name}.json"))  # also one that another version wrote
        span = datetime.fromisoformat(known["started"]), datetime.fromisoformat(known["finished"])
        spans.append(span)
        seconds = (span[1] - span[0]).total_seconds()
        if seconds >= LEAST_S:
            rows.append(f"| `{step.name}` | {seconds:.0f} |")
    rows.append(f"| in all | {_covered(spans):.0f} |")
    ingested, trained = record.step(INGEST), record.step(GENERATORS)
    images = ingested.outputs.images if ingested else 0
    generators = trained.outputs.root if trained else {}
    kimg = ", ".join(f"{generator.kimg:g} ({label})" for label, generator in generators.items()) or "none"
    return "\n".join([*rows, "", f"{images} pictures; generators were shown so many kimg: {kimg}."])


def _covered(spans: list[tuple[datetime, datetime]]) -> float:
    """Seconds in which something went on; what went on beside something else counts once."""
    seconds, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for start, end in sorted(spans):
        seconds += max(0.0, (end - max(start, until)).total_seconds())
        until = max(until, end)
    return seconds


def expected_table(labels: Mapping[str, int], name: str = "quick") -> str:
    """What a preset's steps take on the reference machine, as a table in Markdown, and for how much in a sentence.

    Args:
        labels: label -> photographs.
    """
    settings = resolve({"name": name, "data": {"directory": "photos"}}, preset(name))
    counts = expected_counts(labels, settings)
    seconds = {step: duration.seconds for step, duration in durations(settings, counts).items()}
    line = line_of(settings.arms, settings.edits)
    steps = [step.name for step in line if step.name in seconds]
    rows = [f"| `{step}` | {_said(seconds[step])} |" for step in steps if seconds[step] >= LEAST_S]
    trained = kimg_of(settings.generator, tuple(counts["train"]), counts["train"])
    kimg = ", ".join(f"{shown:g} kimg ({label})" for label, shown in trained.items())
    photographs = ", ".join(f"{count} {label}" for label, count in labels.items())
    total = f"| in all | {_said(elapsed_s(line, seconds))} |"
    said = f"{sum(labels.values())} photographs ({photographs}); generators are shown {kimg}."
    return "\n".join(["| step | time |", "|---|---|", *rows, total, "", said])


def _said(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < MINUTE_S else f"{seconds / MINUTE_S:.1f} min"


def main() -> int:
    """Print a run's table, or the expected one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", nargs="?")
    parser.add_argument("--store")
    parser.add_argument("--expected", action="append", metavar="LABEL=COUNT")
    given = parser.parse_args()
    if given.expected:
        labels = {label: int(count) for label, _, count in (one.partition("=") for one in given.expected)}
        sys.stdout.write(expected_table(labels) + "\n")
    elif given.run and given.store:
        sys.stdout.write(table(open_store(given.store), given.run) + "\n")
    else:
        parser.error("give RUN and --store, or --expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
