"""What a person sees of work that is over before he could look at it: what is wrong with it, and nothing else."""

import sys
from types import TracebackType
from typing import Self

from orchestrator.pipeline.progress import Report


class Quiet:
    """A display on standard error that draws nothing, and needs nothing to draw with."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind."""

    def started(self, step: str, why: str) -> None:
        """Say nothing."""

    def progress(self, step: str, report: Report) -> None:
        """Say nothing."""

    def finished(self, step: str, seconds: float, came_of_it: str = "", doubt: str = "") -> None:
        """Say what is wrong with the step, if anything is."""
        if doubt:
            self.warn(f"{step}: {doubt}")

    def warn(self, text: str) -> None:
        """Say what a person should read."""
        sys.stderr.write(f"! {text}\n")
