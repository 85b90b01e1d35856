"""Runs of the line on a store that fails, and what became of them: what all faults of a store have alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.line import Line, Seen, outcome
from tests.chaos.outcome import Outcome


@dataclass
class Tries:
    """Tries of one fault: each is a run, and where it does not end well the same command again."""

    line: Line
    undisturbed: dict[str, Any]
    count: int = 0
    itself: int = 0
    again: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def run(
        self,
        url: str,
        environ: Mapping[str, str],
        plain: Mapping[str, str] | None = None,
        seen: Seen = lambda *_: None,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        """One try.

        Args:
            plain: the environment in which the result is read; absent: that of the run.
            seen: as `Line.run`'s, of the first command.
            over: called before the same command is given again, and before the result is read.
        """
        number, self.count = self.count, self.count + 1
        first = self.line.run(url, environ, seen)
        over()
        ended = first if first.code == 0 else self.line.run(url, environ)
        self.seconds += first.seconds + (0.0 if ended is first else ended.seconds)
        if ended.code:
            self.lost.append(f"try {number}, {ended.said}")
        elif outcome(url, plain or environ) != self.undisturbed:
            self.lost.append(f"try {number}: the result is otherwise")
        elif ended is first:
            self.itself += 1
        else:
            self.again += 1

    def outcome(self, fault: str, notes: str) -> Outcome:
        """Of all tries until now."""
        return Outcome(fault, self.count, self.itself, self.again, tuple(self.lost), self.seconds, notes)
