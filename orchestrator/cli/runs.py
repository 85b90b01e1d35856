"""`defectory runs` and `defectory open`: which runs there are, what they found, and their reports."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectory.alike import did_you_mean
from defectory.errors import NotFound
from defectory.storage import ObjectStore
from defectory.storage.places import path_or_uri
from orchestrator.cli.browser import open_page
from orchestrator.cli.options import AsJson, Store, opened
from orchestrator.cli.output import emit
from orchestrator.cli.program import program

if TYPE_CHECKING:
    from orchestrator.pipeline.run_list import KnownRun


def runs(store: Store = "", as_json: AsJson = False) -> None:
    """List the runs in the store: how far each is, its verdict, its report, and what to type next.

    \b
    defectory runs
    """
    from defectory.serving.operations.leases import owner_of
    from orchestrator.pipeline.run_list import list_runs
    from orchestrator.pipeline.work import unfinished_work

    store_ = opened(store)
    all_runs = list_runs(store_)
    names = [run.name for run in all_runs]
    running = {work.run_of(names) for work in unfinished_work(store_) if work.state == "running"}
    running |= {name for name in names if owner_of(store_, "runs", name)}
    rows = [_row(run, run.name in running, store) for run in all_runs]
    text = "\n\n".join(_text(row) for row in rows)
    where = path_or_uri(store_.url)
    emit({"runs": rows}, as_json, f"{text}\n\nstore: {where}" if text else f"there is no run in {where}")


def open_(
    run: Annotated[str, typer.Argument(help="Name of the run, as `defectory runs` lists it.")],
    only_print: Annotated[bool, typer.Option("--print", help="Print the report's path; open nothing.")] = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Open a run's report in the browser.

    \b
    defectory open photos
    defectory open photos --print
    """
    from orchestrator.pipeline.run_list import list_runs
    from orchestrator.pipeline.run_record import RunRecord

    store_ = opened(store)
    known = {one.name: one for one in list_runs(store_)}
    if run not in known:
        more = did_you_mean(run, known) or "; `defectory runs` lists those that are there"
        raise NotFound(f"there is no run {run!r} in {path_or_uri(store_.url)}{more}")
    report, of_before = _report_file(store_, run), RunRecord(store_, run).report_of_before()
    is_opened = not only_print and open_page(report.as_uri())
    said = str(report) if is_opened or only_print else f"no browser can be opened here; the report is {report}"
    emit({"run": run, "report": str(report), "opened": is_opened, "of_before": of_before}, as_json, said)
    if of_before:
        typer.echo(f"! {of_before}", err=True)  # there the path stands alone on standard output


def _report_file(store: ObjectStore, run: str) -> Path:
    """The report as a file of this machine: the store's own, or a copy in the user's cache, with what it links to.

    Raises:
        FailedPrecondition: the run has none yet.
    """
    import os

    from orchestrator.cli.report_copy import copy_report
    from orchestrator.pipeline.report_keys import page_key
    from orchestrator.pipeline.run_record import RunRecord

    key = page_key(run)
    if not store.exists(key):
        raise RunRecord(store, run).no_report_yet()
    path = path_or_uri(store.uri(key))
    if "://" not in path:
        return Path(path)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    copy = cache / "defectory" / "reports" / f"{run}.html"
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy_report(store, run, copy)
    return copy


def _row(run: "KnownRun", is_running: bool, store: str) -> dict[str, object]:
    """A run as it is listed.

    Args:
        store: as it was given to the command; the next command is given the same.
    """
    import shlex

    where = f" --store {shlex.quote(store)}" if store else ""
    state = "finished" if run.is_finished else "running" if is_running else "not finished"
    if run.broken:
        state = "unreadable"
    goes_on = run.command.line if run.command else ""
    return {
        "run": run.name,
        "state": state,
        "changed": run.changed.astimezone(UTC).isoformat(timespec="seconds") if run.changed else "",
        "steps": run.steps,
        "steps_done": run.done,
        "next_step": run.next_step,
        "anew_since": run.anew_since.astimezone(UTC).isoformat(timespec="seconds") if run.anew_since else "",
        "verdict": run.verdict,
        "report": path_or_uri(run.report_uri) if run.report_uri else "",
        "report_of_before": path_or_uri(run.earlier_uri) if run.earlier_uri else "",
        "next": {
            "finished": f"{program()} open {shlex.quote(run.name)}{where}", "running": f"{program()} status{where}",
            "not finished": goes_on,
        }.get(state, ""),
        "error": run.broken,
    }  # fmt: skip


def _text(row: dict[str, object]) -> str:
    """A run as a person reads it."""
    is_anew = row["anew_since"] and row["state"] == "running"
    state = f"being done anew since {when(str(row['anew_since']))}" if is_anew else row["state"]
    how_far = f": {row['steps_done']} of {row['steps']} steps, {row['next_step']} is next" if row["next_step"] else ""
    changed = f", {when(str(row['changed']))}" if row["changed"] and not is_anew else ""
    lines = [f"{row['run']}  {state}{how_far}{changed}", row["verdict"], row["error"]]
    lines += [f"report: {row['report']}" if row["report"] else ""]
    lines += [f"report of before: {row['report_of_before']}" if row["report_of_before"] else ""]
    lines += [f"next:   {row['next']}" if row["next"] else ""]
    return "\n  ".join(str(line) for line in lines if line)


def when(moment: str) -> str:
    """A moment in ISO 8601 for a person: local time, to the minute."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
