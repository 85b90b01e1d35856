"""`defectory operations`: the long-running work that the store remembers."""

from typing import Annotated, Any

import typer

from orchestrator.cli.options import AsJson, Store, opened, session, store_url
from orchestrator.cli.output import emit, table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Long-running operations.")


@app.command(name="list")
def list_(
    service: Annotated[str, typer.Option("--service", help="Only of this service.")] = "",
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """List operations, as the store remembers them.

    \b
    defectory operations list --service classifier
    """
    import json

    store_ = opened(store)
    prefix = f"operations/{service}/" if service else "operations/"
    rows: list[Any] = []
    for info in store_.list(prefix):
        if info.key.endswith(".json"):
            record = json.loads(store_.get(info.key))
            rows.append(
                {
                    "operation": info.key.removesuffix(".json"),
                    "job": record.get("job", ""),
                    "state": record.get("state", ""),
                    "restarts": record.get("restarts", 0),
                }
            )
    text = table(rows, ["operation", "job", "state", "restarts"]) if rows else f"there are none in {store_.url}"
    emit({"operations": rows}, as_json, text)


@app.command()
def cancel(
    operation: Annotated[str, typer.Argument(help="Its name, as `operations list` shows it.")],
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Ask an operation to stop.

    \b
    defectory operations cancel operations/classifier/train-screws
    """
    from defectory.errors import InvalidInput

    parts = operation.split("/")
    if len(parts) != 3 or parts[0] != "operations":
        right = "use operations/<service>/<id>, as `defectory operations list` shows it"
        raise InvalidInput(f"{operation!r} is no operation's name: {right}", {"operation": right})
    with session(store_url(store)) as services:
        services.clients.cancel(parts[1], operation)
    emit({"operation": operation, "cancelled": True}, as_json)
