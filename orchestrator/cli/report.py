"""`defectory report`: the report of a run, made again from what is in the store."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Store, opened
from orchestrator.cli.output import emit, path_or_uri


def report(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Also write it to this file, and its figures beside it."),
    ] = None,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Build a run's report: one self-contained HTML file, and beside it a folder with its figures as PNG and CSV.

    \b
    defectory report demo --out demo.html
    """
    from orchestrator.pipeline.report_keys import files_folder, page_key
    from orchestrator.report import keep_report

    store_ = opened(store)
    kept = keep_report(store_, run)
    if out is not None:
        folder = out.parent / files_folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in kept.files().items():
            (folder / name).write_bytes(data)
        out.write_bytes(kept.html)
    uri = store_.uri(page_key(run))
    result = {"run": run, "report_uri": uri, "summary": kept.summary.model_dump(mode="json")}
    emit(result, as_json, f"report: {out or path_or_uri(uri)}")
