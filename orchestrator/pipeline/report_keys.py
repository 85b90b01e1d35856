"""Where a run's report lies in the store: the page, and the files that it links to, in a folder beside it."""


def page_key(run: str) -> str:
    """Where a run's page lies."""
    return f"runs/{run}/report.html"


def files_folder(run: str) -> str:
    """The folder beside a run's page; named after it, so that reports of several runs may lie side by side."""
    return f"{run}-figures"


def files_prefix(run: str) -> str:
    """Where the files beside the page lie."""
    return f"runs/{run}/{files_folder(run)}/"
