"""What a person sees while steps run: on a real terminal, and where there is none."""

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.pipeline.display import Display, _Row
from orchestrator.pipeline.outcome import in_words as outcome_in_words
from orchestrator.pipeline.outputs import EvaluatedArm, Filtered, FilteredLabel, Ingested, Reviewed
from orchestrator.pipeline.progress import Report, WatchedStep, in_a_figure, in_a_word, in_short, in_words
from tests.patience import PATIENT_S

ROOT = Path(__file__).parents[3]
COLOUR = re.compile(r"\x1b\[(?:\d+;)*3[0-7]m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TRAINING = Report("good, training", 300, 1000, "images", 2.5, 130, {"kimg": 0.3, "loss_g": 1.234})

# Two steps side by side, a warning, an end; then the second step alone until a line comes on standard input.
STEPS = """
import sys, time
from orchestrator.pipeline.display import Display
from orchestrator.pipeline.progress import Report
with Display(interval_s=0.4) as display:
    display.started("generators", "")
    display.started("judge", "")
    display.progress("generators", Report("good, training", 300, 1000, "images", 2.5, 130, {"kimg": 0.3}))
    display.progress("judge", Report("training, cycle 2 of 3", 12, 40, "epochs"))
    display.warn("few parts")
    time.sleep(1)
    display.finished("judge", 62, "photos.judge/1, 3 cycles")
    sys.stdin.readline()
    time.sleep(1)
print("the result")
"""


class Terminal:
    """A program on a pseudo-terminal of a size."""

    def __init__(self, columns: int, **environ: str) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns)
        inherited = {
            k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", STEPS], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, start_new_session=True,
            env={**inherited, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **environ},
        )  # fmt: skip
        os.close(theirs)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def until(self, text: str) -> str:
        """What is written until a text comes."""
        return self._read(lambda written: text in written)

    def enter(self) -> str:
        """Type a line; what is written until the program ends."""
        os.write(self._ours, b"\n")
        written = self._read(lambda _: False)
        assert self._process.wait(PATIENT_S) == 0, written
        os.close(self._ours)
        return written

    def _read(self, enough) -> str:  # type: ignore[no-untyped-def]
        written, deadline = b"", time.monotonic() + PATIENT_S
        while not enough(written.decode(errors="ignore")):
            assert time.monotonic() < deadline, written
            if not select.select([self._ours], [], [], 1)[0]:
                continue
            try:
                written += os.read(self._ours, 4096)
            except OSError:  # the program has ended
                break
        return written.decode(errors="ignore")


def drawn(written: str) -> list[str]:
    """Every line that was drawn, over another or not."""
    return [line for part in written.split("\n") for line in CONTROL.sub("", part).split("\r") if line.strip()]


@pytest.mark.parametrize("columns", [100, 40, 20])
def test_every_step_that_runs_has_one_line_of_the_terminals_width(columns: int) -> None:
    terminal = Terminal(columns)
    before = terminal.until("3 cycles")
    live = [line for line in drawn(before) if line[0] not in "!✔"]
    assert {"generators:" in line for line in live} == {True, False}
    assert max(map(len, live)) <= columns
    if columns == 40:
        assert {line[1:-5] for line in live if "generators:" in line} == {" generators: 30% · 2:10 left"}
    assert sum("few parts" in line for line in drawn(before)) == 1
    if columns == 100:
        assert any("300 images seen (0.3 of 1 kimg)" in line and "━╌" in line for line in live)
        assert "✔ judge: photos.judge/1, 3 cycles · 1:02" in before
    after = terminal.enter()
    assert [line for line in drawn(after) if "judge:" in line] in ([], [drawn(after)[0]])
    assert drawn(after)[-1] == "the result"
    assert "\x1b[?25h" in after  # the cursor is shown again


def test_a_line_follows_the_terminals_width() -> None:
    terminal = Terminal(100)
    terminal.until("3 cycles")
    terminal.resize(30)
    later = [line for line in drawn(terminal.enter()) if "generators:" in line]
    assert len(later[-1]) <= 30


def test_no_color_has_no_colours_and_still_draws_over() -> None:
    terminal = Terminal(100, NO_COLOR="1")
    written = terminal.until("3 cycles") + terminal.enter()
    assert not COLOUR.search(written)
    assert "\x1b[2K" in written


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"CI": "true"}])
def test_a_dumb_terminal_and_ci_get_plain_lines(environ: dict[str, str]) -> None:
    terminal = Terminal(40, **environ)
    written = terminal.until("3 cycles") + terminal.enter()
    assert "\x1b[2K" not in written
    assert "\x1b[?25l" not in written
    lines = [line for line in drawn(written) if line.startswith("  generators: good, training · 300 images")]
    assert 2 <= len(lines) <= 6  # in about two seconds, one each 0.4 s at most


def test_a_file_gets_plain_lines_whatever_is_said_of_colours() -> None:
    environ = {**os.environ, "FORCE_COLOR": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        input="\n",
        capture_output=True,
        text=True,
        env=environ,
        cwd=ROOT,
        timeout=PATIENT_S,
    )
    assert done.stdout == "the result\n"
    assert "\x1b[2K" not in done.stderr
    assert "  judge: training, cycle 2 of 3 · 12 of 40 epochs · 0:0" in done.stderr


def plain(verbose: bool = False) -> tuple[Display, io.StringIO]:
    shown = io.StringIO()
    return Display(Console(file=shown, width=40), verbose=verbose), shown


def test_the_same_warning_of_two_steps_is_shown_once() -> None:
    display, shown = plain()
    with display:
        for text in ("few parts", "no KID", "few parts"):
            display.warn(text)
    assert shown.getvalue().split("\n")[:3] == ["! few parts", "! no KID", ""]


def bars(*reports: Report) -> list[int | None]:
    """How many cells of the bar are full after each report; None: there is no bar."""
    row = _Row(Report("starting", 0, 0, ""))
    display = Display(Console(file=io.StringIO(), width=120))
    full: list[int | None] = []
    for report in reports:
        row.take(report)
        line = display._line("x", row, row.since, 120).plain
        full.append(line.count("━") if "╌" in line or "━" in line else None)
    return full


def test_a_bar_never_goes_back_within_a_step() -> None:
    reading, training = partial(Report, "reading", total=8, unit="images"), partial(Report, "training", unit="epochs")
    # What a service does again after it went away.
    assert bars(training(4, total=8), training(2, total=8), training(6, total=8)) == [8, 8, 12]
    # Stages that count anew: there is none from the second on.
    assert bars(reading(done=8), training(1, total=8), training(6, total=8)) == [16, None, None]
    # Where what counts is known, that is it.
    of_all = [training(8, total=8, whole=0.5), training(1, total=8, whole=0.5), training(4, total=8, whole=0.75)]
    assert bars(*of_all) == [8, 8, 12]


def test_every_new_sheet_of_samples_is_told_once_to_who_wants_to_know_more() -> None:
    said = {}
    for verbose in (True, False):
        display, shown = plain(verbose)
        with display:
            display.started("generator screws", "waiting")
            for uri in (
                "",
                "file:///srv/a/long/folder/of/samples/1.png",
                "file:///srv/a/long/folder/of/samples/1.png",
                "s3://2",
            ):
                display.progress("generator screws", Report("training", 1, 9, "images", sample_uri=uri))
        said[verbose] = [line for line in shown.getvalue().splitlines() if "samples in" in line]
    uris = ["file:///srv/a/long/folder/of/samples/1.png", "s3://2"]
    assert said == {True: [f"  generator screws: samples in {uri}" for uri in uris], False: []}


def test_a_step_begins_with_its_reason_where_it_has_one() -> None:
    display, shown = plain()
    with display:
        display.started("ingest", "")
        display.started("judge", "its inputs have changed: judge.folds from 5 to 3", again=True)
    assert shown.getvalue().splitlines() == ["▶ ingest", "▶ judge: its inputs have changed: judge.folds from 5 to 3"]


def test_what_did_not_finish_says_how_far_it_came() -> None:
    display, shown = plain()
    with suppress(ZeroDivisionError), display:
        display.started("generators", "")
        display.progress("generators", TRAINING)
        raise ZeroDivisionError
    assert "✘ generators: not finished, good, training · 300 images seen (0.3 of 1 kimg)" in shown.getvalue()


def test_warnings_of_a_step_are_counted_where_it_ends() -> None:
    display, shown = plain()
    with display:
        watched = WatchedStep(display, "ingest")
        for text in ("a", "b", "a"):
            watched.warn(text)
        watched.progress(Report("", 0, 0, "", warning="c"))
        watched.finished(4.2, "85 photographs")
        WatchedStep(display, "judge").finished(61, "")
    assert shown.getvalue().splitlines()[-2:] == ["✔ ingest: 85 photographs, 3 warnings above · 0:04", "✔ judge: 1:01"]


def test_progress_in_words() -> None:
    report = Report("cycle 2 of 5", 12, 40, "epochs", 1.25, 21, {"val_f1": 0.9114, "r_t": 0.3})
    assert in_words(report) == "cycle 2 of 5 · 12 of 40 epochs · 1.25 epochs/s · 0:21 left · F1 on validation 0.911"
    assert in_short(report) == "cycle 2 of 5 · 12 of 40 epochs · 0:21 left"
    assert in_short(TRAINING) == "good, training · 300 images seen (0.3 of 1 kimg) · 2:10 left"
    assert in_a_word(TRAINING) == "30% · 2:10 left"
    assert in_short(Report("reading images", 0, 0, "images")) == "reading images"
    one_of_two = Report("training", 1, 9, "epochs", remaining_s=30, whole=0.25).about("good (1 of 2)")
    assert in_short(one_of_two) == "good (1 of 2), training · 1 of 9 epochs · 0:30 left"
    assert in_a_word(one_of_two) == "good (1 of 2) · 25% · 0:30 left"
    assert in_a_figure(one_of_two) == "25% · 0:30 left"
    assert in_short(Report("judging", 1, 9, "images").about("crack").about("defect")) == (
        "defect, crack, judging · 1 of 9 images"
    )


def test_what_came_of_a_step_in_words() -> None:
    fields = {
        "dataset": "d",
        "manifest_uri": "m",
        "content_hash": "",
        "labels": [],
        "skipped": [],
        "source": {},
        "bits": 8,
    }
    counts = {"train": {"good": 40, "defect": 20}, "test": {"good": 20, "defect": 5}}
    ingested = Ingested(**fields, counts=counts, images=85, photographs=85, parts=78)  # type: ignore[arg-type]
    assert outcome_in_words(ingested) == "85 photographs (60 good, 25 defect), 78 parts"
    all_alike = outcome_in_words(ingested.model_copy(update={"by_likeness": 78}))
    shown = f"found by likeness (`defectory dataset groups {ingested.dataset}` shows them)"
    assert all_alike == f"85 photographs (60 good, 25 defect), 78 parts, {shown}"
    assert outcome_in_words(ingested.model_copy(update={"by_likeness": 9})).endswith(f"78 parts, 9 of them {shown}")
    tiled = ingested.model_copy(update={"photographs": 17, "parts": 9})
    assert outcome_in_words(tiled) == "17 photographs, 9 parts, 85 images (60 good, 25 defect)"
    older = ingested.model_copy(update={"photographs": 0, "parts": 0})
    assert outcome_in_words(older) == "85 images (60 good, 25 defect)"
    evaluated = EvaluatedArm(evaluation_uri="", metrics={"f1": 0.5, "accuracy": 0.75, "loss": 2.0})
    assert outcome_in_words(evaluated) == "accuracy 75.0%, macro-F1 50.0%"
    filtered = Filtered({"good": FilteredLabel(rounds=[], quota=40, accepted=38)})
    assert outcome_in_words(filtered) == "good 38 accepted (40 wanted)"
    assert outcome_in_words(Reviewed()) == "nobody has, so what the filter accepted goes on"
