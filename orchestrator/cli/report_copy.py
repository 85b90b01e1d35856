"""A run's report as files of this machine: the page, and the folder that it links to beside it."""

from pathlib import Path

from defectory.storage.store import ObjectStore
from orchestrator.pipeline.report_keys import files_folder, files_prefix, page_key


def copy_report(store: ObjectStore, run: str, page: Path) -> Path:
    """Copy a report, the page last; the folder of its figures is returned.

    Args:
        page: the file that the page becomes; its folder has to be there.
    """
    figures = page.parent / files_folder(run)
    figures.mkdir(exist_ok=True)
    for one in store.list(files_prefix(run)):
        file = figures / one.key.removeprefix(files_prefix(run))
        file.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(one.key, file)
    store.get_file(page_key(run), page)
    return figures
