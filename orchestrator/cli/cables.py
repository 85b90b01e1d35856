"""`defectory cables`: drawn photographs of cables, to try the line without photographs of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Store, Verbose
from orchestrator.cli.output import emit
from orchestrator.cli.work import work


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
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Draw cross-sections of cables, good and faulty, with masks. Results on them are synthetic.

    \b
    defectory cables build/cables --good 60 --defect 30 --seed 0
    defectory cables build/cables --kind bent_wire --kind missing_wire --size 128
    """
    from orchestrator.cables import KINDS, write_cables

    del store  # the drawings go to a folder; the option is there as for every command
    with work("cables", f"drawing {good} good and {defect} faulty cables", verbose=verbose) as drawing:
        write_cables(directory, good, defect, seed, size, drawing.counting("drawing", "images"), kinds or KINDS[1:])
        drawing.came_of_it = f"{good + defect} images"
    emit({"directory": str(directory), "counts": {"good": good, "defect": defect}, "seed": seed}, as_json)
