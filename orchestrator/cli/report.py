"""`defectory report`: the report of a run, made again from what is in the store."""

from pathlib import Path
from typing import Annotated

import typer

from defectory.storage.places import path_or_uri
from orchestrator.cli.options import AsJson, Store, opened
from orchestrator.cli.output import emit


def report(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Also write it to this file (or to RUN.html in a folder), and beside it the folder RUN-figures.",
        ),
    ] = None,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Build a run's report: one self-contained HTML file, and beside it a folder with its figures as PNG and CSV.

    \b
    defectory report demo --out demo.html
    """
    from orchestrator.cli.destinations import file_to_write
    from orchestrator.cli.report_copy import copy_report
    from orchestrator.pipeline.report_keys import page_key
    from orchestrator.report import keep_report

    file = file_to_write(out, f"{run}.html") if out else None
    store_ = opened(store)
    kept = keep_report(store_, run)
    uri = store_.uri(page_key(run))
    result = {"run": run, "report_uri": uri, "summary": kept.summary.model_dump(mode="json")}
    if not file:
        emit(result, as_json, f"report: {path_or_uri(uri)}")
        return
    figures = copy_report(store_, run, file)
    copied = {"report": str(file), "figures": str(figures)}
    emit({**result, **copied}, as_json, f"report:  {file}\nfigures: {figures}  (the report links to them)")
