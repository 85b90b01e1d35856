"""What a person sees while steps run, on standard error: one live line a step, or plain lines now and then."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from orchestrator.pipeline.progress import Report, clock, in_a_figure, in_a_word, in_short, in_words

PLAIN_INTERVAL_S = 10.0  # between lines of a step where nothing can be drawn over
FRAMES_A_SECOND = 4
BAR_CELLS = 16
BAR_FROM = 80  # columns from which a line has room for a bar


@dataclass
class _Row:
    """A step that runs."""

    report: Report
    since: float = field(default_factory=time.monotonic)
    said_at: float = field(default_factory=time.monotonic)  # when its last plain line was written
    sample_uri: str = ""  # that was told last
    bar: float | None = 0.0  # how far its bar has come; None: its stages count anew, and a bar would go back

    def take(self, report: Report) -> None:
        """It got further. What a service does again, after it went away, moves no bar back."""
        is_same = (report.subjects, report.stage) == (
            self.report.subjects,
            self.report.stage,
        ) or report.whole is not None
        if self.bar is not None and report.share is not None:
            self.bar = max(self.bar, report.share) if is_same or report.share >= self.bar else None
        self.report = report


class Display:
    """A Watcher that draws on standard error.

    On a terminal every step that runs has one live line, of the terminal's width, which leaves a line behind when the
    step ends. Where nothing can be drawn over (a file, a pipe, TERM=dumb) or nobody looks on (CI), every step that runs
    has a plain line now and then, also while it has nothing new to report. Warnings are written whole in both.

    Args:
        console: where it draws; standard error where there is none.
        verbose: also why a step runs, what it recognised, where samples lie, and every measured value.
        interval_s: between plain lines.
    """

    def __init__(
        self, console: Console | None = None, *, verbose: bool = False, interval_s: float = PLAIN_INTERVAL_S
    ) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._verbose = verbose
        self._words = in_words if verbose else in_short
        self._interval_s = interval_s
        self._spinner = Spinner("dots")
        self._live = Live(
            console=self._console, get_renderable=lambda: self, refresh_per_second=FRAMES_A_SECOND, transient=True,
            redirect_stdout=False,  # which is another file, and holds the result alone
        ) if can_draw_over(self._console) else None  # fmt: skip
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}  # step -> how far it is, in the order in which they began
        self._warned: set[str] = set()
        self._closed = threading.Event()
        self._ticking = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        else:
            self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        with self._lock:
            left, self._rows = self._rows, {}
        if self._live:
            self._live.stop()
        else:
            self._ticking.join()
        if error is not None:
            for step, row in left.items():
                came = f", {self._words(row.report)}" if row.report.unit else ""
                self._say(f"✘ {step}: not finished{came}", "bold red")

    def started(self, step: str, why: str, *, again: bool = False) -> None:
        """Begin a line; why what was done is done again stays to be read, and what was never done has no reason."""
        with self._lock:
            self._rows[step] = _Row(Report("starting", 0, 0, ""))
        if self._verbose or again or not self._live:
            self._say(f"▶ {step}: {why}" if why else f"▶ {step}")

    def progress(self, step: str, report: Report) -> None:
        """Move the step's line; with `verbose` say what it recognised, and where a new sheet of samples is."""
        if report.text:
            if self._verbose:
                self._say(f"  {report.text}")
            return
        with self._lock:
            row = self._rows.setdefault(step, _Row(report))
            row.take(report)
            is_new = bool(report.sample_uri) and report.sample_uri != row.sample_uri
            row.sample_uri = report.sample_uri or row.sample_uri
        if is_new and self._verbose:
            self._say(f"  {step}: samples in {report.sample_uri}")

    def finished(self, step: str, seconds: float, came_of_it: str = "", doubt: str = "") -> None:
        """End the line; with a tick and what came of the step, or with what is wrong with it."""
        with self._lock:
            self._rows.pop(step, None)
        if doubt:
            self._say(f"✘ {step}: {doubt}", "bold red")
        else:
            self._say(f"✔ {step}: {' · '.join(filter(None, [came_of_it, clock(seconds)]))}", "green")

    def skipped(self, step: str, why: str, came_of_it: str = "") -> None:
        """Say why a step does not run, or what came of it when it did."""
        brief = f"{came_of_it} · done before" if came_of_it else f"done before, {why}"
        self._say(f"✔ {step}: skipped, {why}" if self._verbose else f"✔ {step}: {brief}", "dim")

    def warn(self, text: str) -> None:
        """Say it in a colour that is seen; the same words once only."""
        with self._lock:
            if text in self._warned:
                return
            self._warned.add(text)
        self._say(f"! {text}", "bold yellow")

    def say(self, text: str) -> None:
        """A line for a person to read."""
        self._say(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The live lines."""
        now, width = time.monotonic(), options.max_width
        with self._lock:
            rows = list(self._rows.items())
        room = max(1, options.max_height - 1)
        for step, row in rows[:room]:
            yield self._line(step, row, now, width)

    def _line(self, step: str, row: _Row, now: float, width: int) -> Text:
        """A step's live line; where its words do not fit, how much is done; the clock stays."""
        frame = self._spinner.render(now)
        line = Text.assemble(frame if isinstance(frame, Text) else "·", " ", (step, "bold"), ": ", no_wrap=True)
        report = row.report
        if report.share is not None and row.bar is not None and width >= BAR_FROM:
            full = round(BAR_CELLS * row.bar)
            line.append("━" * full, "green").append("╌" * (BAR_CELLS - full), "dim").append(" ")
        elapsed = f" {clock(now - row.since)}"
        room = max(1, width - len(elapsed))
        said = [line.copy().append(words) for words in (self._words(report), in_a_word(report), in_a_figure(report))]
        line = next((one for one in said if one.cell_len <= room), said[0])
        line.truncate(room, overflow="ellipsis")
        return line.append(elapsed, "dim") if room > 1 else line

    def _tick(self) -> None:
        """Write plain lines, in a thread of its own: a step that is silent for long is not dead."""
        while not self._closed.wait(min(1.0, self._interval_s / 4)):
            now = time.monotonic()
            with self._lock:
                due = {step: row for step, row in self._rows.items() if now - row.said_at >= self._interval_s}
                for row in due.values():
                    row.said_at = now
            for step, row in due.items():
                self._say(f"  {step}: {self._words(row.report)} · {clock(now - row.since)}")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


def can_draw_over(console: Console, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a line can be drawn again over itself, and somebody looks on.

    FORCE_COLOR makes rich take a file for a terminal; colours may go there, drawing over may not.
    """
    return console.is_interactive and console.file.isatty() and not environ.get("CI")
