"""`defectory report`: the report of a run, made again from what is in the store."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Store, opened
from orchestrator.cli.output import emit, path_or_uri


def report(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Also write it to this file.")] = None,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Build a run's report, one self-contained HTML file.

    \b
    defectory report demo --out demo.html
    """
    from orchestrator.report import build_report

    store_ = opened(store)
    html, summary = build_report(store_, run)
    key = f"runs/{run}/report.html"
    store_.put(key, html)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(html)
    result = {"run": run, "report_uri": store_.uri(key), "summary": summary.model_dump(mode="json")}
    emit(result, as_json, f"report: {out or path_or_uri(store_.uri(key))}")
