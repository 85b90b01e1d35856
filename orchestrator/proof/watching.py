"""Progress over a whole experiment: every step says which it is of how many."""

from orchestrator.pipeline.progress import Report, Watcher


class Counted:
    """A Watcher that passes on to another what it is told, each step with its number.

    Args:
        steps: all, in their order.
    """

    def __init__(self, watcher: Watcher, steps: list[str]) -> None:
        self._watcher = watcher
        self._shown = {step: f"{number}/{len(steps)} {step}" for number, step in enumerate(steps, start=1)}

    def started(self, step: str, why: str, *, again: bool = False) -> None:
        """See `Watcher`; so are the others."""
        self._watcher.started(self._shown[step], why, again=again)

    def progress(self, step: str, report: Report) -> None:
        """A step got further."""
        self._watcher.progress(self._shown[step], report)

    def finished(self, step: str, seconds: float, came_of_it: str = "") -> None:
        """A step is done."""
        self._watcher.finished(self._shown[step], seconds, came_of_it)

    def skipped(self, step: str, why: str, came_of_it: str = "") -> None:
        """A step need not run."""
        self._watcher.skipped(self._shown[step], why, came_of_it)

    def warn(self, text: str) -> None:
        """Something that a person should read."""
        self._watcher.warn(text)
