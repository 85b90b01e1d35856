"""`defectory`: puts the commands together and turns errors into messages and exit codes."""

import os
import shlex
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from defectory.errors import DefectoryError
from defectory.exit_codes import EVICTED, INTERNAL, INTERRUPTED, exit_code
from orchestrator.cli.lazy import commands_at
from orchestrator.cli.output import emit_error
from orchestrator.cli.program import program

HELP = """Makes the defect images a factory does not have, and proves whether they help.

\b
From a folder of photographs to a report:
  defectory run photos/ --preset quick
Without photographs of your own:
  defectory cables build/cables --good 60 --defect 30
  defectory run build/cables --preset demo --name demo
What is wrong on this machine, and how to mend it:
  defectory doctor
"""
EPILOG = (
    "Exit codes: 0 done, 1 internal, 2 usage, 3-11 by kind of error (docs/cli.md), 75 evicted, 130 stopped by Ctrl-C."
)


app = typer.Typer(
    cls=commands_at(
        {
            "ingest": "orchestrator.cli.ingest:ingest",
            "run": "orchestrator.cli.run:run",
            "experiment": "orchestrator.cli.experiment:experiment",
            "filter": "orchestrator.cli.filtering:filter_images",
            "explain": "orchestrator.cli.explaining:explain",
            "report": "orchestrator.cli.report:report",
            "review": "orchestrator.cli.review:review",
            "runs": "orchestrator.cli.runs:runs",
            "status": "orchestrator.cli.status:status",
            "logs": "orchestrator.cli.status:logs",
            "open": "orchestrator.cli.runs:open_",
            "cables": "orchestrator.cli.cables:cables",
            "serve": "orchestrator.cli.serving:serve",
            "up": "orchestrator.cli.serving:up",
            "certs": "orchestrator.cli.security:certs",
            "token": "orchestrator.cli.security:token",
            "doctor": "orchestrator.cli.doctor:doctor",
            "dataset": "orchestrator.cli.dataset:app",
            "generator": "orchestrator.cli.projecting:app",
            "edit": "orchestrator.cli.edit:app",
            "classifier": "orchestrator.cli.classifier:app",
            "models": "orchestrator.cli.models_list:app",
            "operations": "orchestrator.cli.operations:app",
        }
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
    epilog=EPILOG,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"defectory {version('defectory')}")
        raise typer.Exit


@app.callback(help=HELP)
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version  # its callback has answered


class Stopped(BaseException):
    """Ctrl-C, or SIGTERM: a pod is evicted, a machine goes down.

    Not an Exception, so that nothing swallows it, and no KeyboardInterrupt, of which the parser of commands makes an
    end without a word.
    """

    def __init__(self, by: int) -> None:
        super().__init__(by)
        self.exit_code = EVICTED if by == signal.SIGTERM else INTERRUPTED


def main() -> None:
    """Run the command line and end the process with its code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    # pydantic's plugins, of which there are none here, are looked for in all installed packages: a tenth of a start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    as_json = "--json" in sys.argv
    try:
        app()
    except DefectoryError as error:
        emit_error(error, as_json)
        sys.exit(exit_code(error))
    except Stopped as stopped:
        again = f"{program()} {shlex.join(sys.argv[1:])}"
        sys.stderr.write(f"\nstopped; the same command goes on where this one was:\n  {again}\n")
        sys.exit(stopped.exit_code)
    except Exception as error:
        from traceback import print_exc

        print_exc()
        emit_error(DefectoryError(f"internal error: {type(error).__name__}: {error}"), as_json)
        sys.exit(INTERNAL)


def _stop(by: int, _frame: FrameType | None) -> None:
    raise Stopped(by)


if __name__ == "__main__":
    main()
