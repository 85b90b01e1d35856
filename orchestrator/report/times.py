"""Where a run's time went: every step's by phase, and the share of the machine's cores that it used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from defectory.phases import PHASES, Spent
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.run_record import RunRecord

COLUMNS = ("step", "seconds", *PHASES, "cores used")


@dataclass(frozen=True)
class StepTime:
    """One step's.

    Attributes:
        machine_cores: that the run could use.
    """

    step: str
    spent: Spent
    machine_cores: int

    @property
    def share(self) -> float:
        """Of what the cores could have computed meanwhile, in [0, 1] but for what clocks round."""
        could = self.spent.elapsed * self.machine_cores
        return self.spent.cores / could if could else 0.0

    def row(self) -> list[str]:
        """Its cells, as COLUMNS has them; seconds to a tenth."""
        seconds = (self.spent.elapsed, *self.spent.by_phase().values())
        return [self.step, *(f"{value:.1f}" for value in seconds), f"{self.share:.0%}"]


def rows_of(times: Sequence[StepTime]) -> list[list[str]]:
    """Every step's cells, and where there are several what they took together."""
    rows = [time.row() for time in times]
    if len(rows) > 1:
        columns = [(time.spent.elapsed, *time.spent.by_phase().values()) for time in times]
        rows.append(["together", *(f"{sum(values):.1f}" for values in zip(*columns, strict=True)), ""])
    return rows


def times_of(record: RunRecord) -> Iterator[StepTime]:
    """Every step's that has finished and says so, in the line's order: what its last computation took.

    Raises:
        NotFound: no such run.
    """
    recorded = record.pipeline()
    for step in line_of(recorded.arms, recorded.edits):
        finished = record.step(step.key)
        if finished is not None and finished.spent is not None:
            yield StepTime(step.name, finished.spent, finished.processor_cores)
