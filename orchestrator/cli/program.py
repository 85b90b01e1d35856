"""How this program was called: what a person is told to type can be typed so."""

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

NAME = "defectory"
MODULE = "orchestrator.cli.main"


def program(argv: Sequence[str] | None = None, original: Sequence[str] | None = None) -> str:
    """The program as it was typed: `defectory` where a shell finds it, else its path, or Python with the module.

    Args:
        argv, original: those of this process, where none are given; see `sys.argv` and `sys.orig_argv`.
    """
    typed = Path((sys.argv if argv is None else argv)[0])
    if typed.name == "main.py" and typed.parts[-3:-1] == ("orchestrator", "cli"):
        return shlex.join([(sys.orig_argv if original is None else original)[0], "-m", MODULE])
    if typed.name != NAME:  # another program calls it
        return NAME
    on_path = shutil.which(NAME)
    return NAME if on_path and Path(on_path).resolve() == typed.resolve() else shlex.quote(str(typed))


def as_typed(text: str) -> str:
    """A text in which commands stand in backticks, with the program called as it was typed."""
    called = program()
    return text if called == NAME else re.sub(rf"`{NAME}(?= )", lambda _: f"`{called}", text)
