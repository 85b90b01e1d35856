"""The runs of a store: which there are, how far each is, and what it found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from defectory.errors import DefectoryError
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import REPORT
from orchestrator.pipeline.run_record import RunRecord, TypedCommand

PREFIX = "runs/"


@dataclass(frozen=True)
class KnownRun:
    """A run as the store remembers it.

    Attributes:
        done, steps: how many of its steps have finished, and how many it has.
        next_step: the first that has not; empty where all have.
        changed: when its last step finished, or it was started; UTC, None where the store does not say.
        verdict, report_uri: in short, without what stands against it, and where it lies; of a run whose report is
            newer than all its steps; empty else.
        command: by which it was started last; None where it is not known.
        broken: why nothing more is known of it; empty where it can be read.
    """

    name: str
    done: int = 0
    steps: int = 0
    next_step: str = ""
    changed: datetime | None = None
    verdict: str = ""
    report_uri: str = ""
    command: TypedCommand | None = None
    broken: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether it has a report of what it is now."""
        return bool(self.report_uri)


def list_runs(store: ObjectStore) -> list[KnownRun]:
    """All runs, the one that changed last first."""
    written: dict[str, dict[str, datetime | None]] = {}  # run -> key below it -> when it was written
    for info in store.list(PREFIX):
        run, _, rest = info.key.removeprefix(PREFIX).partition("/")
        written.setdefault(run, {})[rest] = info.modified
    runs = [_known(store, name, keys) for name, keys in written.items() if "pipeline.json" in keys]
    return sorted(runs, key=lambda run: (run.changed is None, -run.changed.timestamp() if run.changed else 0, run.name))


def _known(store: ObjectStore, name: str, written: Mapping[str, datetime | None]) -> KnownRun:
    record = RunRecord(store, name)
    when = {key.removeprefix("steps/").removesuffix(".json"): at for key, at in written.items() if key[:6] == "steps/"}
    times = [at for at in (when or written).values() if at]
    changed = max(times, default=None)
    try:
        recorded = record.pipeline()
        steps = [step.name for step in line_of(recorded.arms, recorded.edits)]
        report = record.step(REPORT) if when.keys() >= set(steps) and _is_newest(record, when, REPORT.step) else None
        missing = [step for step in steps if step not in when]
        return KnownRun(
            name,
            done=len(steps) - len(missing),
            steps=len(steps),
            next_step="" if report else (missing or [REPORT.step])[0],
            changed=changed,
            verdict=report.outputs.summary.verdict if report else "",
            report_uri=report.outputs.report_uri if report else "",
            command=record.command(),
        )
    except (DefectoryError, ValueError) as error:
        return KnownRun(name, changed=changed, broken=str(error))


def _is_newest(record: RunRecord, when: Mapping[str, datetime | None], step: str) -> bool:
    """Whether no other step has finished later: a step that was repeated makes the report one of before.

    Where files say otherwise, records are read: a store that was copied has files of any order.
    """
    own = when[step]
    if own is None or all(at is None or at <= own for at in when.values()):
        return True
    return record.finished(step) >= max(map(record.finished, when))
