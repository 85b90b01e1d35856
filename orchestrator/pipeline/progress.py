"""What a person sees while steps run: one line a step with rate and time left, on standard error."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from defectory.api.operations.v1 import operations_pb2

# Figures of a training that tell a person something, in words.
SAID: Mapping[str, str] = {
    "val_f1": "F1 on validation", "kimg": "thousand images shown", "kid": "distance to real images (KID)",
    "p": "augmentation",
}  # fmt: skip
PLAIN_INTERVAL_S = 15.0  # between lines where standard error is no terminal


@dataclass(frozen=True)
class Report:
    """How far a piece of work is. rate in units a second; remaining_s None while unknown."""

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


class Watcher(Protocol):
    """Is told what happens in a run."""

    def started(self, step: str, why: str) -> None:
        """A step begins."""

    def progress(self, report: Report) -> None:
        """The step that runs got further."""

    def finished(self, step: str, seconds: float) -> None:
        """The step that runs is done."""

    def skipped(self, step: str, why: str) -> None:
        """A step need not run."""

    def warn(self, text: str) -> None:
        """Something that a person should read, also after the run."""


class Display:
    """A Watcher that draws on standard error: live bars on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._bars = Progress(
            SpinnerColumn(), TextColumn("[bold]{task.fields[step]}"), BarColumn(bar_width=24), _Counts(),
            TimeElapsedColumn(), console=self._console, transient=True,
        )  # fmt: skip
        self._task: TaskID | None = None
        self._last_line = 0.0
        self._step = ""
        self._sample_uri = ""  # that was told last
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def started(self, step: str, why: str) -> None:
        """Begin a bar."""
        self._step, self._last_line = step, time.monotonic()
        self._console.print(Text(f"▶ {step}: {why}"))
        if self._console.is_terminal:
            self._task = self._bars.add_task("", total=None, step=step, report=Report("starting", 0, 0, ""))

    def progress(self, report: Report) -> None:
        """Move the bar; print a line; of a new sheet of samples say where it is."""
        if report.text:
            self._console.print(Text(f"  {report.text}"), soft_wrap=True)
            return
        if report.sample_uri and report.sample_uri != self._sample_uri:
            self._sample_uri = report.sample_uri
            self._console.print(Text(f"  {self._step}: samples in {report.sample_uri}"), soft_wrap=True)
        if self._task is not None:
            self._bars.update(self._task, total=report.total or None, completed=report.done, report=report)
        elif not self._console.is_terminal and time.monotonic() - self._last_line >= PLAIN_INTERVAL_S:
            self._last_line = time.monotonic()
            self._console.print(Text(f"  {self._step}: {in_words(report)}"))

    def finished(self, step: str, seconds: float, doubt: str = "") -> None:
        """End the bar; with a tick, or with what is wrong with what came of it."""
        self._end()
        if doubt:
            self._console.print(Text(f"✘ {step}: {doubt}", style="bold red"))
        else:
            self._console.print(Text(f"✔ {step}: {clock(seconds)}", style="green"))

    def skipped(self, step: str, why: str) -> None:
        """Say why a step does not run."""
        self._console.print(Text(f"✔ {step}: skipped, {why}", style="dim"))

    def warn(self, text: str) -> None:
        """Say it in a colour that is seen; the same words once only."""
        if text in self._warned:
            return
        self._warned.add(text)
        self._console.print(Text(f"! {text}", style="bold yellow"), soft_wrap=True)

    def _end(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


class _Counts(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(in_words(task.fields["report"]))


def in_words(report: Report) -> str:
    """E.g. "training, cycle 2 of 5 · 12 of 40 epochs · 1.3 epochs/s · 0:21 left · F1 on validation 0.91".

    What has no plain words is left to the log: losses, r_t, ticks.
    """
    parts = [report.stage] if report.stage else []
    if report.unit:
        parts.append(
            f"{report.done} of {report.total} {report.unit}" if report.total else f"{report.done} {report.unit}"
        )
        if report.rate > 0:
            parts.append(f"{report.rate:.3g} {report.unit}/s")
    if report.remaining_s is not None:
        parts.append(f"{clock(report.remaining_s)} left")
    parts += [f"{said} {report.values[name]:.3g}" for name, said in SAID.items() if name in report.values]
    return " · ".join(parts)


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
