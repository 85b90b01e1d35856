"""`defectory generator`: export, interpolate, mix: looking into a generator, and taking it elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from defectory.job_settings.rendering import Rendering
from defectory.storage import ObjectStore
from defectory.storage.taking import take_files
from orchestrator.cli.generator import app, parse_numbers, with_version
from orchestrator.cli.options import (
    AsJson,
    Store,
    Verbose,
    derived_request_id,
    opened,
    session,
    store_url,
)
from orchestrator.cli.output import emit
from orchestrator.cli.setting_options import with_settings

MAX_STYLES = 18  # of a network of 1024 px: two a size
Model = Annotated[str, typer.Argument(metavar="MODEL", help='"name" (its newest version) or "name/version".')]


@app.command()
def export(
    model: Model,
    form: Annotated[str, typer.Option("--format", help="safetensors or onnx; else by the ending of --out.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; else NAME-VERSION.")
    ] = None,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Write a generator as one file. `generator import FILE.safetensors` brings it back; an ONNX file is compared with
    torch before it is handed out.

    \b
    defectory generator export screws-defect --format safetensors --out screws.safetensors
    defectory generator export screws-defect --out screws.onnx
    """
    from defectory.api.generator.v1 import generator_pb2
    from orchestrator.cli.destinations import file_to_write
    from orchestrator.pipeline.methods import EXPORT_GENERATOR

    store_ = opened(store)
    form = form or (out.suffix.removeprefix(".") if out else "") or "safetensors"
    request = generator_pb2.ExportGeneratorRequest(model=with_version(store_, model), format=form)
    usual = f"{request.model.replace('/', '-')}.{form}"
    out = file_to_write(out or Path(usual), usual)
    request.request_id = derived_request_id("export", weights_of(store_, request.model), request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"export {request.model}"):
        exported = services.clients.operate(EXPORT_GENERATOR, request, services.report)
    take_files(store_, [(exported.file_uri, out, "")])
    result = {
        "model": request.model,
        "format": form,
        "file": str(out),
        "sha256": exported.sha256,
        "bytes": exported.size_bytes,
    }
    emit({**result, **({"grey_levels_off": exported.grey_levels_off} if form == "onnx" else {})}, as_json)


@app.command()
@with_settings()
def interpolate(
    model: Model,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds that the film goes through, 2 to 64.")] = "0-3",
    frames: Annotated[int, typer.Option("--frames", min=2, max=3600, help="Frames of the film.")] = 60,
    space: Annotated[str, typer.Option("--space", help="w (straight) or z (along the sphere).")] = "w",
    loop: Annotated[bool, typer.Option("--loop", help="Go back to the first seed.")] = False,
    fps: Annotated[float, typer.Option("--fps", help="Frames a second.")] = 24.0,
    class_labels: Annotated[
        str, typer.Option("--class", metavar="A[,B,…]", help="Class of all seeds, or one a seed (w only).")
    ] = "",
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A .webp or .mp4 file.")] = Path("film.webp"),
    *,
    rendering: Rendering,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Make a film that goes from seed to seed.

    \b
    defectory generator interpolate screws-defect --seeds 0,1,2,3 --frames 120 --loop --out film.mp4
    defectory generator interpolate screws-defects --seeds 7,7 --class bent,cut --out bent-to-cut.webp
    """
    from defectory.api.generator.v1 import generator_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.cli.destinations import file_to_write
    from orchestrator.pipeline.methods import INTERPOLATE

    out = file_to_write(out, "film.webp")
    numbers, store_ = parse_numbers(seeds, "seeds"), opened(store)
    request = generator_pb2.InterpolateRequest(
        model=with_version(store_, model), seeds=numbers, frames=frames, space=space, loop=loop,
        format=out.suffix.removeprefix("."), fps=fps, class_labels=_names(class_labels),
    )  # fmt: skip
    request = fill(request, rendering)
    request.request_id = derived_request_id("film", weights_of(store_, request.model), request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"film of {request.model}"):
        film = services.clients.operate(INTERPOLATE, request, services.report)
    take_files(store_, [(film.file_uri, out, "")])
    emit({"model": request.model, "frames": film.frames, "file": str(out), "sha256": film.sha256}, as_json)


@app.command()
@with_settings()
def mix(
    model: Model,
    rows: Annotated[str, typer.Option("--rows", help="Seeds that give the chosen styles, 1 to 32.")] = "0-3",
    columns: Annotated[str, typer.Option("--columns", help="Seeds that give all other styles, 1 to 32.")] = "10-15",
    styles: Annotated[str, typer.Option("--styles", help="Styles of the rows: 0 is the coarsest, two a size.")] = "0-2",
    class_labels: Annotated[
        str, typer.Option("--class", metavar="A[,B]", help="Class of all seeds, or that of rows and of columns.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The grid, a .png file.")] = Path("mix.png"),
    *,
    rendering: Rendering,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Make a grid of mixtures: columns above, rows at the left, and each crossing has the row's chosen styles.

    \b
    defectory generator mix screws-defect --rows 0-3 --columns 10-15 --styles 0-2 --out mix.png
    defectory generator mix screws-defects --class bent,cut --styles 4-7 --out mix.png
    """
    from defectory.api.generator.v1 import generator_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.cli.destinations import file_to_write
    from orchestrator.pipeline.methods import MIX_STYLES

    out = file_to_write(out, "mix.png")
    request = generator_pb2.MixStylesRequest(
        rows=parse_numbers(rows, "rows"), columns=parse_numbers(columns, "columns"),
        styles=parse_numbers(styles, "styles", MAX_STYLES), class_labels=_names(class_labels),
    )  # fmt: skip
    store_ = opened(store)
    request.model = with_version(store_, model)
    request = fill(request, rendering)
    request.request_id = derived_request_id("mix", weights_of(store_, request.model), request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"mixtures of {request.model}"):
        mixed = services.clients.operate(MIX_STYLES, request, services.report)
    take_files(store_, [(mixed.sheet_uri, out, "")])
    emit({"model": request.model, "mixtures": mixed.count, "file": str(out)}, as_json)


def _names(text: str) -> list[str]:
    """ "bent,cut" as names; "" has none."""
    return [part.strip() for part in text.split(",")] if text else []


def weights_of(store: ObjectStore, model: str) -> str:
    """The hash of a model's weights: files made of other weights under the same name are not taken for these."""
    from defectory.models import read_model_card

    return str(read_model_card(store, "generator", *model.split("/")).get("weights_sha256"))
