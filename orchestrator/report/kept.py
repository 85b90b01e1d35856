"""Keeps a run's report in its folder of the store: the page, and beside it what it links to."""

from defectory.storage.store import ObjectStore
from orchestrator.pipeline.report_keys import files_prefix, page_key
from orchestrator.report.page import Report, build_report


def keep_report(store: ObjectStore, run: str) -> Report:
    """Build a run's report and put it where the last one lay; files that only that one had are deleted.

    Raises:
        NotFound, FailedPrecondition: as `build_report`.
    """
    report, prefix = build_report(store, run), files_prefix(run)
    files = report.files()
    for name, data in files.items():
        store.put(prefix + name, data)
    store.put(page_key(run), report.html)
    for one in list(store.list(prefix)):
        if one.key.removeprefix(prefix) not in files:
            store.delete(one.key)
    return report
