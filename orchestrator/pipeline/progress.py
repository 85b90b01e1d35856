"""How far work is: what a step reports, in words, and who is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from defectory.api.operations.v1 import operations_pb2

# Figures of a training that tell a person something, in words.
SAID: Mapping[str, str] = {
    "val_f1": "F1 on validation", "kimg": "thousand images shown", "kid": "distance to real images (KID)",
    "p": "augmentation",
}  # fmt: skip
IMAGES_A_KIMG = 1000


@dataclass(frozen=True)
class Report:
    """How far a piece of work is. rate in units a second; remaining_s None while unknown, and of `whole` where that is.

    Attributes:
        subjects: what it is about, where a step does the same for several; the widest first.
        whole: how much of all of them is done, in [0, 1]; None: this is all there is, or it is not known.
    """

    stage: str
    done: int
    total: int  # 0 while unknown
    unit: str
    rate: float = 0.0
    remaining_s: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    sample_uri: str = ""  # the latest picture to look at
    warning: str = ""  # what a person should know of the work
    text: str = ""  # a line for a person to read
    subjects: tuple[str, ...] = ()
    whole: float | None = None

    @classmethod
    def of(cls, progress: operations_pb2.Progress) -> "Report":
        """From a Progress message."""
        remaining = float(progress.remaining.seconds) if progress.HasField("remaining") else None
        return cls(
            progress.stage,
            progress.done,
            progress.total,
            progress.unit,
            progress.rate,
            remaining,
            dict(progress.values),
            progress.sample_uri,
            progress.warning,
        )

    def about(self, *subjects: str) -> "Report":
        """The same, which says of what it is, where a step does the same for several."""
        return replace(self, subjects=(*subjects, *self.subjects))

    @property
    def share(self) -> float | None:
        """How much of the whole is done, in [0, 1]; None while that is not known."""
        if self.whole is not None:
            return self.whole
        return min(1.0, self.done / self.total) if self.total else None


class Watcher(Protocol):
    """Is told what happens in a run, perhaps of several steps at the same time and from several threads."""

    def started(self, step: str, why: str, *, again: bool = False) -> None:
        """A step begins; `again`: it was done before, and something that it depends on has changed.

        `why` is empty where it was never done.
        """

    def progress(self, step: str, report: Report) -> None:
        """A step got further."""

    def finished(self, step: str, seconds: float, came_of_it: str = "") -> None:
        """A step is done."""

    def skipped(self, step: str, why: str, came_of_it: str = "") -> None:
        """A step need not run."""

    def warn(self, text: str) -> None:
        """Something that a person should read, also after the run."""


class WatchedStep:
    """A step that is watched: passes on what it says, and keeps what it warned of."""

    def __init__(self, watcher: Watcher, step: str) -> None:
        self._watcher = watcher
        self._step = step
        self.warnings: dict[str, None] = {}  # in their order, each once

    def warn(self, text: str) -> None:
        """A warning of the step itself."""
        self.warnings[text] = None
        self._watcher.warn(text)

    def progress(self, report: Report) -> None:
        """A service's report: whoever watches the operation has told its warning already."""
        if report.warning:
            self.warnings[report.warning] = None
        self._watcher.progress(self._step, report)

    def finished(self, seconds: float, came_of_it: str) -> None:
        """It is done: what came of it, and how many warnings stand above, of it or in the same words of another."""
        warned = f"{len(self.warnings)} warning{'s' * (len(self.warnings) != 1)} above" if self.warnings else ""
        self._watcher.finished(self._step, seconds, ", ".join(filter(None, [came_of_it, warned])))


def in_words(report: Report) -> str:
    """E.g. "training, cycle 2 of 5 · 12 of 40 epochs · 1.3 epochs/s · 0:21 left · F1 on validation 0.91".

    What has no plain words is left to the log: losses, r_t, ticks.
    """
    parts = [_doing(report), _count(report)]
    if report.unit and report.rate > 0:
        parts.append(f"{report.rate:.3g} {report.unit}/s")
    parts.append(_left(report))
    parts += [f"{said} {report.values[name]:.3g}" for name, said in SAID.items() if name in report.values]
    return " · ".join(filter(None, parts))


def in_short(report: Report) -> str:
    """What somebody who waits wants to know, e.g. "training · 300 images seen (0.3 of 1 kimg) · 2:10 left"."""
    return " · ".join(filter(None, [_doing(report), _count(report), _left(report)]))


def in_a_word(report: Report) -> str:
    """What fits nearly everywhere, e.g. "good (1 of 2) · 30% · 2:10 left"; "30% · 2:10 left" of a step with one part.

    The stage stands in it where it is not known how much there is to do.
    """
    if report.share is None:
        return _doing(report)
    return " · ".join(filter(None, [*report.subjects[:1], in_a_figure(report)]))


def in_a_figure(report: Report) -> str:
    """What fits everywhere, e.g. "30% · 2:10 left"."""
    if report.share is None:
        return report.stage
    return " · ".join(filter(None, [f"{report.share:.0%}", _left(report)]))


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _doing(report: Report) -> str:
    return ", ".join(filter(None, [*report.subjects, report.stage]))


def _count(report: Report) -> str:
    """How much is done. A generator's training counts the images that it has seen, in kimg for those who know it."""
    if not report.unit or not (report.done or report.total):
        return ""
    if "kimg" in report.values and report.unit == "images":
        of = f" of {report.total / IMAGES_A_KIMG:g}" if report.total else ""
        return f"{report.done} images seen ({report.done / IMAGES_A_KIMG:.3g}{of} kimg)"
    return f"{report.done} of {report.total} {report.unit}" if report.total else f"{report.done} {report.unit}"


def _left(report: Report) -> str:
    return "" if report.remaining_s is None else f"{clock(report.remaining_s)} left"
