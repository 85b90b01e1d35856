"""`defectory report`: the report of a run, made again from what is in the store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectory.storage.places import path_or_uri
from orchestrator.cli.options import AsJson, Store, opened
from orchestrator.cli.output import emit

if TYPE_CHECKING:
    from orchestrator.pipeline.run_record import RunRecord
    from orchestrator.pipeline.summary import RunSummary


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

    Of a run that was started again and has not finished, the report of before is given, and that is said.

    \b
    defectory report demo --out demo.html
    """
    from orchestrator.cli.destinations import file_to_write
    from orchestrator.cli.report_copy import copy_report
    from orchestrator.pipeline.report_keys import page_key
    from orchestrator.pipeline.run_record import RunRecord
    from orchestrator.report import keep_report

    file = file_to_write(out, f"{run}.html") if out else None
    store_ = opened(store)
    record = RunRecord(store_, run)
    record.pipeline()  # first: whether there is such a run
    of_before = record.report_of_before() if store_.exists(page_key(run)) else ""
    # One that were built now would show new settings with old results.
    summary = _summary_of_before(record) if of_before else keep_report(store_, run).summary
    uri = store_.uri(page_key(run))
    result = {
        "run": run, "report_uri": uri, "summary": summary and summary.model_dump(mode="json"), "of_before": of_before,
    }  # fmt: skip
    if of_before:
        typer.echo(f"! {of_before}", err=True)
    if not file:
        emit(result, as_json, f"report: {path_or_uri(uri)}")
        return
    figures = copy_report(store_, run, file)
    copied = {"report": str(file), "figures": str(figures)}
    emit({**result, **copied}, as_json, f"report:  {file}\nfigures: {figures}  (the report links to them)")


def _summary_of_before(record: "RunRecord") -> "RunSummary | None":
    """The figures of the report that is there; None where the run forgot them: it computes everything anew."""
    from orchestrator.pipeline.outputs import REPORT

    reported = record.step(REPORT)
    return reported.outputs.summary if reported else None
