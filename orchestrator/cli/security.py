"""`defectory certs` and `defectory token`: what a secured stack needs before it starts."""

import os
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson
from orchestrator.cli.output import emit

CLIENT = "client"


def certs(
    folder: Annotated[Path, typer.Argument(help="Where the files go; those that are there are kept or renewed.")],
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME|ADDRESS", help="By which a service is called too, repeatable."),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=825, help="That a certificate is valid.")] = 365,
    renew: Annotated[bool, typer.Option("--renew", help="Make all anew but the authority.")] = False,
    readable: Annotated[
        bool,
        typer.Option(
            "--readable", help="Keys that every user of this machine can read: for containers of another user."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an authority and certificates for the four services and for those who call them.

    The same command again renews what has less than a third of its life before it. Services read renewed files by
    themselves. Keep ca.key elsewhere: who has it can be anyone.

    \b
    defectory certs certificates --readable
    defectory certs certificates --host line4.factory --host 10.0.0.7
    """
    from defectory.ports import DEFAULT_PORTS
    from orchestrator.certificates import Holder, make, service

    holders = [*(service(name, host or ()) for name in DEFAULT_PORTS), Holder(CLIENT)]
    written = make(folder, holders, days, renew=renew, mode=0o644 if readable else 0o600)
    text = f"made {', '.join(written)}" if written else "all of them have most of their life before them"
    emit({"folder": str(folder), "made": written}, as_json, f"{text} in {folder}")


def token(
    name: Annotated[str, typer.Argument(help="Whose it is, for the file and for messages: line-4, grafana.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="read|classify|operate", help="What it allows, repeatable.")
    ],
    tokens: Annotated[
        Path, typer.Option("--tokens", help="The services' file of tokens, which gets a line (DEFECTORY_TOKENS).")
    ],
    as_json: AsJson = False,
) -> None:
    """Make a token: it is printed once, and only its SHA-256 is kept. Services take it up within a second.

    \b
    defectory token line-4 --scope classify --tokens certificates/tokens
    """
    from defectory.alike import one_of
    from defectory.errors import AlreadyExists, InvalidInput
    from defectory.serving.scopes import Scope
    from defectory.serving.tokens import NAME, line_of, new_token, read

    if not NAME.fullmatch(name):
        right = "use 1 to 63 letters, digits, '.', '_' and '-', starting with a letter or digit"
        raise InvalidInput(f"{name!r} is no name: {right}", {"name": right})
    unknown = sorted(set(scope) - set(Scope))
    if unknown:
        right = one_of(unknown[0], Scope)
        raise InvalidInput(f"there is no scope {unknown[0]!r}: {right}", {"scope": right})
    if tokens.exists() and name in {bearer.name for bearer in read(str(tokens)).values()}:
        raise AlreadyExists(f"{name} has a token already: take its line out of {tokens}, or choose another name")
    issued = new_token()
    try:
        tokens.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(tokens, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), "a", encoding="utf-8") as file:
            file.write(line_of(name, [Scope(one) for one in scope], issued) + "\n")
    except OSError as error:
        raise InvalidInput(f"{tokens}: {error.strerror}; name a file that can be written") from error
    emit({"name": name, "scopes": sorted(scope), "token": issued}, as_json, issued)
