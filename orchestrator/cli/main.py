"""`defectory`: the commands and their exit codes."""

import sys

import typer

from defectory.errors import DefectoryError
from orchestrator.cli import classifier, generator, line, machine
from orchestrator.cli.common import EXIT_INTERRUPTED, console, tell_error

EPILOG = (
    "Exit codes: 0 done, 1 unexpected, 2 bad input, 3 not found, 4 exists already, 5 not possible in this state, "
    "6 refused, 7 corrupted, 8 full, 9 unavailable, 10 cancelled, 130 interrupted."
)

app = typer.Typer(
    help="Makes the defect images a factory does not have, and proves whether they help.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
line.add_commands(app)
machine.add_commands(app)
app.add_typer(generator.app, name="generator")
app.add_typer(classifier.app, name="classifier")


def main() -> int:
    """Run a command; the console script's entry."""
    try:
        app(standalone_mode=False)
    except DefectoryError as error:
        return tell_error(error, "--json" in sys.argv)
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        console.print("stopped; the same command goes on where it was")
        return EXIT_INTERRUPTED
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's usage errors
            error.show()
            return int(error.exit_code)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
