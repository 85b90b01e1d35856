"""`defectory status` and `defectory logs`: what runs, on what, how far, what failed and what to do about it."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectory.errors import InvalidInput, NotFound
from defectory.storage.places import path_or_uri
from orchestrator.cli.options import AsJson, Store, opened, store_url
from orchestrator.cli.output import emit
from orchestrator.cli.program import program
from orchestrator.cli.runs import when

if TYPE_CHECKING:
    from orchestrator.pipeline.run_list import KnownRun
    from orchestrator.pipeline.work import Work

FAILED_SHOWN = 5  # of those that failed, the latest
AGAIN = "the command that started it, typed again, goes on where it was"
TITLES = {
    "running": "running",
    "stopped": "not finished, and nobody works on it",
    "failed": "failed",
}
HEAD = ("timestamp", "level", "event")  # of a line of a log, before its other fields
LEFT_OUT = ("service", "operation")  # which whoever asks knows


def status(store: Store = "", as_json: AsJson = False) -> None:
    """Say what runs, on what and how far, what was stopped, what failed, and what to do about it.

    \b
    defectory status
    """
    from orchestrator.pipeline.run_list import list_runs
    from orchestrator.pipeline.work import unfinished_work

    store_ = opened(store)
    runs = {run.name: run for run in list_runs(store_)}
    rows = [_row(work, runs) for work in unfinished_work(store_)]
    shown = [row for row in rows if not row["over"]]
    parts = [f"{TITLES[state]}\n{_text([r for r in shown if r['state'] == state], state)}" for state in TITLES
             if any(row["state"] == state for row in shown)]  # fmt: skip
    idle = [] if any(row["state"] == "running" for row in shown) else ["nothing runs"]
    emit({"work": shown}, as_json, "\n\n".join([*idle, *parts, f"store: {path_or_uri(store_.url)}"]))


def logs(
    operation: Annotated[
        str, typer.Argument(help="Its name, as `status` shows it; or a service's, for all its lines.")
    ],
    lines: Annotated[int, typer.Option("--lines", min=1, max=100_000, help="The last of them.")] = 50,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Show what a service wrote to its log about an operation.

    \b
    defectory logs operations/generator/train_generator-generators-2f0a
    defectory logs classifier --lines 200
    """
    from orchestrator.pipeline.embedded import SERVICES, log_folder

    parts = operation.split("/")
    service, operation_id = (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "operations" else (operation, "")
    if service not in SERVICES:
        right = f"use operations/<service>/<id>, as `defectory status` shows it, or one of {', '.join(SERVICES)}"
        raise InvalidInput(f"{operation!r} is no operation's name: {right}", {"operation": right})
    opened(store)
    path = log_folder(store_url(store)) / f"{service}.log"
    if not path.is_file():
        raise NotFound(
            f"there is no log {path}: the {service} of this store has run elsewhere, where its log is on standard error"
        )
    last_lines = list(deque(_lines_of(path, operation_id), maxlen=lines))
    none = f"{path} has no line about it"
    emit({"operation": operation, "log": str(path), "lines": last_lines}, as_json, "\n".join(last_lines) or none)


def _lines_of(path: Path, operation_id: str) -> Iterator[str]:
    """A log's lines as a person reads them; those about an operation, or all."""
    with path.open(encoding="utf-8", errors="replace") as log:
        for line in log:
            if operation_id and operation_id not in line:
                continue
            yield _in_words(line.rstrip("\n"))


def _in_words(line: str) -> str:
    """A structured line as text; what a library wrote as it is."""
    try:
        said = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict):
        return line
    rest = [f"{name}={value}" for name, value in said.items() if name not in (*HEAD, *LEFT_OUT)]
    return "  ".join([*(str(said[name]) for name in HEAD if name in said), *rest])


def _row(work: "Work", runs: "Mapping[str, KnownRun]") -> dict[str, object]:
    """A piece of work as it is shown; `over`: its run has been finished since, so it needs nothing."""
    name = work.run_of(list(runs))
    run = runs.get(name)
    goes_on = run.command.line if run and run.command else AGAIN
    do = {"running": "", "stopped": goes_on, "failed": f"mend what it says, then: {goes_on}"}[work.state]
    ended = run.changed if run and run.is_finished else None
    return {
        "operation": work.name,
        "state": work.state,
        "what": work.what,
        "about": work.about,
        "run": name,
        "progress": work.how_far,
        "changed": work.changed.astimezone(UTC).isoformat(timespec="seconds") if work.changed else "",
        "error": work.error,
        "do": do,
        "over": bool(work.state != "running" and ended and work.changed and work.changed <= ended),
    }


def _text(rows: Sequence[Mapping[str, object]], state: str) -> str:
    shown = rows[:FAILED_SHOWN] if state == "failed" else rows
    lines: list[str] = []
    for row in shown:
        about = f" {row['about']}" if row["about"] else ""
        run = f" (run {row['run']})" if row["run"] else ""
        said = row["error"] if state == "failed" else row["progress"]
        lines.append(f"  {row['what']}{about}{run}: {said}")
        changed = f", {when(str(row['changed']))}" if row["changed"] else ""
        lines.append(f"    {row['operation']}{changed}")
        lines += [f"    do:  {row['do']}"] if row["do"] else []
        lines += [f"    log: {program()} logs {row['operation']}"] if state == "failed" else []
    left = len(rows) - len(shown)
    return "\n".join([*lines, *([f"  … and {left} more: {program()} operations list"] if left else [])])
