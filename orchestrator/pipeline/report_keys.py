"""Where a run's report lies in the store: the page, and the files that it links to, in a folder beside it.

Reports of before lie in folders of their own, the files beside the page as they were: so its links lead there.
"""


def page_key(run: str) -> str:
    """Where a run's page lies."""
    return f"runs/{run}/report.html"


def files_folder(run: str) -> str:
    """The folder beside a run's page; named after it, so that reports of several runs may lie side by side."""
    return f"{run}-figures"


def files_prefix(run: str) -> str:
    """Where the files beside the page lie."""
    return f"runs/{run}/{files_folder(run)}/"


def earlier_prefix(run: str, until: str = "") -> str:
    """Where reports of before lie, or that which was the run's report until then.

    Args:
        until: UTC, as 20261201T040900Z.
    """
    return f"runs/{run}/earlier/{until}{'/' * bool(until)}"
