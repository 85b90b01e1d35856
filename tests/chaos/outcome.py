"""What became of the tries of one fault: a row of the table."""

from collections.abc import Sequence
from dataclasses import dataclass

COLUMNS = ("what was done", "tries", "by itself", "same command again", "lost", "seconds", "notes")


@dataclass(frozen=True)
class Outcome:
    """Tries of one fault.

    Attributes:
        itself: tries after which everything was as without the fault, with nobody doing anything.
        again: tries after which it was so once the same command had been given again.
        lost: what was otherwise, or did not end, a sentence each.
        notes: what a reader should know.
    """

    fault: str
    tries: int
    itself: int
    again: int
    lost: tuple[str, ...]
    seconds: float
    notes: str = ""

    def row(self) -> list[str]:
        """Its cells."""
        numbers = (self.tries, self.itself, self.again, len(self.lost))
        return [
            self.fault,
            *map(str, numbers),
            f"{self.seconds:.0f}",
            "; ".join(filter(None, (self.notes, *self.lost))),
        ]


def table(outcomes: Sequence[Outcome]) -> str:
    """Rows of Markdown."""
    rows = [COLUMNS, ["---"] * len(COLUMNS), *(outcome.row() for outcome in outcomes)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
