"""How far a start of a run is, written down as it goes.

Steps' records alone do not tell: until a step has run again, what it left before lies there as if nothing had happened.
"""

from datetime import UTC, datetime

from orchestrator.pipeline.run_record import RunRecord, Underway


class Start:
    """Writes down how far a start is, from its first step that runs on: one that skips all leaves the run as it was."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        before = record.underway()
        self._since = before.since if before else ""
        self._settled: list[str] = []
        self._ran = list(before.ran) if before else []

    def skipped(self, step: str) -> None:
        """A step need not run."""
        self._settled.append(step)

    def begins(self) -> None:
        """A step begins to run."""
        self._since = self._since or datetime.now(UTC).isoformat(timespec="seconds")
        self._write()

    def ran(self, step: str) -> None:
        """A step has run."""
        self._settled.append(step)
        self._ran.append(step)
        self._write()

    def _write(self) -> None:
        ran = tuple(dict.fromkeys(self._ran))
        self._record.keep_underway(Underway(since=self._since, settled=tuple(self._settled), ran=ran))
