"""`defectory cables`: drawn photographs of cables, to try the line without photographs of one's own."""

import time
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Store
from orchestrator.cli.output import emit


def cables(
    directory: Annotated[Path, typer.Argument(help="Folder to draw into, as an MVTec AD category.")],
    good: Annotated[int, typer.Option("--good", help="Cables without a fault.")] = 60,
    defect: Annotated[int, typer.Option("--defect", help="Cables with a fault, its kinds in turn.")] = 30,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the drawings.")] = 0,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Kind of fault to draw, several times for several; else all eight."),
    ] = None,
    size: Annotated[int, typer.Option("--size", metavar="PX", help="Side of the images.")] = 256,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Draw cross-sections of cables, good and faulty, with masks. Results on them are synthetic.

    \b
    defectory cables build/cables --good 60 --defect 30 --seed 0
    defectory cables build/cables --kind bent_wire --kind missing_wire --size 128
    """
    from orchestrator.cables import KINDS, write_cables
    from orchestrator.pipeline.display import Display
    from orchestrator.pipeline.progress import Report

    del store  # the drawings go to a folder; the option is there as for every command
    clock = time.monotonic()
    with Display() as display:
        display.started("cables", f"drawing {good} good and {defect} faulty cables")

        def drawn(done: int, total: int) -> None:
            display.progress("cables", Report("drawing", done, total, "images"))

        write_cables(directory, good, defect, seed, size, drawn, kinds or KINDS[1:])
        display.finished("cables", time.monotonic() - clock, f"{good + defect} images")
    emit({"directory": str(directory), "counts": {"good": good, "defect": defect}, "seed": seed}, as_json)
