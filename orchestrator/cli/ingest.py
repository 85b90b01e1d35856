"""`defectory ingest`: a folder of photographs becomes a dataset with splits."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Store, opened
from orchestrator.cli.output import emit


def ingest(
    directory: Annotated[Path, typer.Argument(help="An MVTec AD category, class folders, or a CSV of image,label.")],
    name: Annotated[str, typer.Option("--name", help="Name of the dataset.")],
    store: Store = "",
    size: Annotated[int, typer.Option("--size", metavar="PX", help="Side of the network's square image.")] = 64,
    fit: Annotated[str, typer.Option("--fit", help="How an image becomes square: stretch, crop or pad.")] = "stretch",
    labels: Annotated[str, typer.Option("--labels", help="binary (good / defect) or kinds.")] = "binary",
    keep_alpha: Annotated[
        bool, typer.Option("--keep-alpha", help="Keep transparency (RGBA); else it lies on white.")
    ] = False,
    groups: Annotated[
        Path | None, typer.Option("--groups", metavar="CSV", help="image,group: photographs of one part. Else found.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the split.")] = 0,
    test_share: Annotated[float, typer.Option("--test-share", help="Share of the test split.")] = 0.15,
    validation_share: Annotated[float, typer.Option("--validation-share", help="Share of validation.")] = 0.15,
    grow_test_to: Annotated[
        int, typer.Option("--grow-test-to", metavar="N", help="Grow the test split to N by marked, augmented copies.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Read a folder of photographs into a dataset.

    Broken, empty, absurdly large and foreign files are listed with the reason and skipped.

    \b
    defectory ingest photos/ --name screws
    defectory ingest photos/ --name screws --groups parts.csv --size 128 --labels kinds
    """
    from orchestrator.pipeline.data_steps import ingest_folder_outputs
    from orchestrator.pipeline.progress import Display
    from orchestrator.pipeline.settings import DataSettings, validated

    values = {
        "directory": str(directory), "size_px": size, "fit": fit, "labels": labels, "seed": seed,
        "groups": str(groups) if groups else None, "test_share": test_share, "validation_share": validation_share,
        "grow_test_to": grow_test_to, "keep_alpha": keep_alpha,
    }  # fmt: skip
    data = validated(DataSettings, values)
    with Display() as display:
        display.started("ingest", str(directory))
        result = ingest_folder_outputs(data, opened(store), name, display.progress, display.warn)
    emit(result, as_json)
