"""The runs of a store: which there are, how far each is, and what it found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from defectory.errors import DefectoryError
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import REPORT
from orchestrator.pipeline.report_keys import page_key
from orchestrator.pipeline.run_record import RunRecord, TypedCommand

PREFIX = "runs/"


@dataclass(frozen=True)
class KnownRun:
    """A run as the store remembers it.

    Attributes:
        done, steps: how many of its steps have finished, and how many it has; of a run that was started again, how
            many stand by what it was started with.
        next_step: the first that has not; empty where all have.
        anew_since: when its first step began to be done anew; None: it is not, or an older version did not say so.
        changed: when its last step finished, or it was started; UTC, None where the store does not say.
        verdict, report_uri: in short, without what stands against it, and where it lies; of a run whose report is
            newer than all its steps; empty else.
        earlier_uri: of a report that is there, of what the run was before it was started again; empty: there is none.
        command: by which it was started last; None where it is not known.
        broken: why nothing more is known of it; empty where it can be read.
    """

    name: str
    done: int = 0
    steps: int = 0
    next_step: str = ""
    anew_since: datetime | None = None
    changed: datetime | None = None
    verdict: str = ""
    report_uri: str = ""
    earlier_uri: str = ""
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
        underway = record.underway() if "underway.json" in written else None
        done = underway.settled if underway else when
        is_whole = underway is None and when.keys() >= set(steps)
        report = record.step(REPORT) if is_whole and _is_newest(record, when, REPORT.step) else None
        missing = [step for step in steps if step not in done]
        has_page = page_key(name).removeprefix(f"{PREFIX}{name}/") in written
        return KnownRun(
            name,
            done=len(steps) - len(missing),
            steps=len(steps),
            next_step="" if report else (missing or [REPORT.step])[0],
            anew_since=datetime.fromisoformat(underway.since) if underway and has_page else None,
            changed=changed,
            verdict=report.outputs.summary.verdict if report else "",
            report_uri=report.outputs.report_uri if report else "",
            earlier_uri=store.uri(page_key(name)) if has_page and not report else "",
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
