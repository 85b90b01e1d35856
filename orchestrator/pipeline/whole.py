"""How far a step is that does the same for several, one after another: bar and remaining time are of all of them."""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.pipeline.clients import ReportCallback
from orchestrator.pipeline.progress import IMAGES_A_KIMG, Report


class Whole:
    """Turns reports about one part of a step's work into reports about all of it.

    Args:
        sizes: part -> how much of it there is, in the order in which they are done; None: as much as the first of those
            turns out to be, whose report says so.
    """

    def __init__(self, sizes: Mapping[str, float | None]) -> None:
        self._sizes = dict(sizes)
        self._share = 0.0

    def advance(self, part: str, share: float) -> None:
        """A part is done to this share of it, in [0, 1]; all before it are done. What is done never becomes less."""
        names = list(self._sizes)
        sizes = [size or 0.0 for size in self._sizes.values()]
        place, of = names.index(part), sum(sizes)
        if of and None not in self._sizes.values():
            self._share = max(self._share, (sum(sizes[:place]) + min(1.0, share) * sizes[place]) / of)

    def counting(self, on_report: ReportCallback) -> ReportCallback:
        """For parts whose reports count in thousandths of their size (images of kimg), and say at which rate."""

        def see(report: Report) -> None:
            part = report.subjects[0] if report.subjects else ""
            if part in self._sizes and report.total:
                if None in self._sizes.values():
                    own = report.total / IMAGES_A_KIMG
                    self._sizes = {name: own if size is None else size for name, size in self._sizes.items()}
                self.advance(part, report.done / report.total)
            on_report(self._of_all(report, self._left(part, report)))

        return see

    def naming(self, on_report: ReportCallback) -> ReportCallback:
        """For parts of which only the step knows how far they are; how long they take nobody does."""
        return lambda report: on_report(self._of_all(report, None))

    def _of_all(self, report: Report, remaining_s: float | None) -> Report:
        part, names = report.subjects[0] if report.subjects else "", list(self._sizes)
        numbered = part in names and len(names) > 1
        subjects = (
            (f"{part} ({names.index(part) + 1} of {len(names)})", *report.subjects[1:]) if numbered else report.subjects
        )
        return replace(report, subjects=subjects, whole=self._share, remaining_s=remaining_s)

    def _left(self, part: str, report: Report) -> float | None:
        """Seconds until all are done, at the rate at which this part goes on."""
        if report.remaining_s is None or part not in self._sizes:
            return None
        later = list(self._sizes.values())[list(self._sizes).index(part) + 1 :]
        if not later:
            return report.remaining_s
        if report.rate <= 0:
            return None
        return report.remaining_s + sum(size or 0.0 for size in later) * IMAGES_A_KIMG / report.rate
