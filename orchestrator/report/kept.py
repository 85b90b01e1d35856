"""Keeps a run's report in its folder of the store: the page, and beside it what it links to; and the last ones."""

from datetime import datetime

from defectory.storage.store import ObjectStore
from orchestrator.pipeline.outputs import EXPLAIN, REPORT
from orchestrator.pipeline.report_keys import earlier_prefix, files_folder, files_prefix, page_key
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.pipeline.summary import RunSummary
from orchestrator.report.page import Report, build_report

MOST_EARLIER = 5  # reports of before that are kept
NO_VERDICT = {EXPLAIN.step, REPORT.step}  # steps that change no verdict


def keep_report(store: ObjectStore, run: str) -> Report:
    """Build a run's report and put it where the last one lay; files that only that one had are deleted.

    Raises:
        NotFound, FailedPrecondition: as `build_report`.
    """
    report = build_report(store, run)
    _put(store, run, report)
    return report


def replace_report(store: ObjectStore, run: str) -> tuple[Report, str]:
    """`keep_report` at a run's end: a report of before that said something else is kept first; (report, its URI).

    Returns:
        With the URI of the page that was kept; empty where none was.
    """
    report = build_report(store, run)
    record = RunRecord(store, run)
    underway = record.underway()
    is_other = store.exists(page_key(run)) and _says_something_else(record, report.summary)
    earlier_uri = _keep_earlier(store, run, underway.since) if underway is not None and is_other else ""
    _put(store, run, report)
    return report, earlier_uri


def _says_something_else(record: RunRecord, summary: RunSummary) -> bool:
    """Whether what the last report said is another thing; where it was forgotten, whether a step might have changed it.

    What was looked at is no part of it: it changes with the number of pictures that are explained.
    """
    before = record.step(REPORT)
    if before is not None:
        return _verdict(before.outputs.summary) != _verdict(summary)
    underway = record.underway()
    return underway is not None and not NO_VERDICT.issuperset(underway.ran)


def _verdict(summary: RunSummary) -> str:
    return summary.model_dump_json(exclude={"heat"})  # as text, in which what is no number equals itself


def _keep_earlier(store: ObjectStore, run: str, since: str) -> str:
    """Copy the report that is there, its page last, and forget the oldest of many; returns the copy's URI.

    Args:
        since: when what comes in its place was begun. A report of that moment is there already where a run was killed
            after it had put the new page: it stays.
    """
    until = datetime.fromisoformat(since).strftime("%Y%m%dT%H%M%SZ")
    prefix = earlier_prefix(run, until)
    page = f"{prefix}report.html"
    if not store.exists(page):
        for one in list(store.list(files_prefix(run))):
            name = one.key.removeprefix(files_prefix(run))
            store.put(f"{prefix}{files_folder(run)}/{name}", store.get(one.key))
        store.put(page, store.get(page_key(run)))
    written = [one.key for one in store.list(earlier_prefix(run))]
    moments = sorted({key.removeprefix(earlier_prefix(run)).partition("/")[0] for key in written})
    for moment in moments[:-MOST_EARLIER]:
        for key in written:
            if key.startswith(earlier_prefix(run, moment)):
                store.delete(key)
    return store.uri(page)


def _put(store: ObjectStore, run: str, report: Report) -> None:
    prefix, files = files_prefix(run), report.files()
    for name, data in files.items():
        store.put(prefix + name, data)
    store.put(page_key(run), report.html)
    for one in list(store.list(prefix)):
        if one.key.removeprefix(prefix) not in files:
            store.delete(one.key)
