"""`defectory generator …`: train, synthesize, list, show."""

from pathlib import Path
from typing import Annotated

import typer

from defectory.errors import InvalidInput
from orchestrator.cli.common import (
    JsonOption,
    StoreOption,
    call,
    manifest_uri,
    message_values,
    open_named,
    operate,
    tell,
)

app = typer.Typer(help="Train generators and make images with them.", no_args_is_help=True)
PREVIEW_BATCH = 64


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="Dataset, by name or manifest URI.")],
    label: Annotated[str, typer.Option(help="Label whose images are learned.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    resolution: Annotated[int, typer.Option(help="Side in pixels, a power of two; 0: the dataset's.")] = 0,
    channel_base: Annotated[int, typer.Option(help="Channels at resolution r: channel_base / r.")] = 4096,
    kimg: Annotated[float, typer.Option(help="Thousands of images shown to the discriminator.")] = 300,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    init: Annotated[str, typer.Option(help="Model to start from, NAME or NAME/VERSION.")] = "",
    mirror_x: Annotated[bool, typer.Option(help="Show images mirrored left to right too.")] = False,
    mirror_y: Annotated[bool, typer.Option(help="Show images mirrored top to bottom too.")] = False,
    gamma: Annotated[float | None, typer.Option(help="Weight of the R1 penalty.")] = None,
    augment: Annotated[str, typer.Option(help="ada, fixed or none.")] = "ada",
    snapshot_kimg: Annotated[float, typer.Option(help="Thousands of images between checkpoints; 0: kimg / 10.")] = 0,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Train a StyleGAN2-ADA on one label. The same command again goes on where it was.

    Example: defectory generator train cable --label defect --name cable-defect --kimg 300
    """
    from defectory.api.generator.v1 import generator_pb2 as pb

    opened = open_named(store)
    settings = pb.TrainingSettings(
        resolution_px=resolution, channel_base=channel_base, kimg=kimg, batch=batch, mirror_x=mirror_x,
        mirror_y=mirror_y, augment_mode=augment, snapshot_kimg=snapshot_kimg,
    )  # fmt: skip
    if gamma is not None:
        settings.r1_gamma = gamma
    request = pb.TrainGeneratorRequest(
        manifest_uri=manifest_uri(opened, dataset), label=label, name=name, settings=settings, seed=seed,
        initial_model=init,
    )  # fmt: skip
    made = operate(opened, "generator", "TrainGenerator", request).generator
    tell({"model": made.name, **message_values(made)}, as_json)


@app.command()
def synthesize(
    model: Annotated[str, typer.Option(help="Generator, NAME or NAME/VERSION.")],
    dataset: Annotated[str, typer.Option(help="Dataset to write (with --count).")] = "",
    count: Annotated[int, typer.Option(min=0, help="Images to make into the dataset.")] = 0,
    first_seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
    seeds: Annotated[str, typer.Option(help="Seeds of single pictures, e.g. 0-9,42 (with --out).")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures of --seeds.")] = None,
    truncation_psi: Annotated[float, typer.Option(help="Truncation psi, in [0, 2].")] = 1.0,
    noise: Annotated[str, typer.Option(help="const, random or none.")] = "random",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make images: many into a dataset, or chosen seeds into a folder.

    Examples: defectory generator synthesize --model cable-defect --count 1000 --dataset made;
    defectory generator synthesize --model cable-defect --seeds 0-9,42 --noise const --out pictures
    """
    from defectory.api.generator.v1 import generator_pb2 as pb

    opened = open_named(store)
    if seeds:
        if out is None:
            raise InvalidInput("--seeds needs --out DIR", {"out": "name a folder"})
        tell(_pictures(opened, model, parse_seeds(seeds), out, truncation_psi, noise), as_json)
        return
    if not (count and dataset):
        right = "give --count and --dataset, or --seeds and --out"
        raise InvalidInput(f"nothing to make: {right}", {"count": right})
    request = pb.SynthesizeRequest(
        model=model,
        count=count,
        first_seed=first_seed,
        truncation_psi=truncation_psi,
        noise_mode=noise,
        dataset=dataset,
    )
    response = operate(opened, "generator", "Synthesize", request)
    values = {"dataset": dataset, "manifest_uri": response.manifest_uri, "counts": {"images": response.count}}
    tell({**values, "model": model}, as_json)


@app.command("list")
def list_all(store: StoreOption = "", as_json: JsonOption = False) -> None:
    """List the generators in the store."""
    from defectory.api.generator.v1 import generator_pb2 as pb

    found = call(open_named(store), "generator", "ListGenerators", pb.ListGeneratorsRequest(page_size=1000)).generators
    if as_json:
        tell({"generators": [message_values(g) for g in found]}, as_json)
    else:
        tell({f"{g.name}/{g.version}": f"{g.label}, {g.resolution_px} px, {g.kimg:g} kimg" for g in found}, as_json)


@app.command()
def show(model: Annotated[str, typer.Argument()], store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Show one generator's card: weights' SHA-256, kimg, p.

    Example: defectory generator show cable-defect --json
    """
    from defectory.api.generator.v1 import generator_pb2 as pb

    made = call(open_named(store), "generator", "GetGenerator", pb.GetGeneratorRequest(model=model)).generator
    tell({"model": made.name, **message_values(made)}, as_json)


def parse_seeds(text: str) -> list[int]:
    """ "0-2,42" -> [0, 1, 2, 42]; InvalidInput."""
    found: list[int] = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or int(high or low) < int(low):
            right = "use numbers and ranges, e.g. 0-9,42"
            raise InvalidInput(f"--seeds {part!r}: {right}", {"seeds": right})
        found.extend(range(int(low), int(high or low) + 1))
    return found


def _pictures(store: object, model: str, seeds: list[int], out: Path, psi: float, noise: str) -> dict[str, object]:
    from defectory.api.generator.v1 import generator_pb2 as pb
    from orchestrator.cli.common import services

    out.mkdir(parents=True, exist_ok=True)
    with services(store) as (clients, _):  # type: ignore[arg-type]
        for start in range(0, len(seeds), PREVIEW_BATCH):
            part = seeds[start : start + PREVIEW_BATCH]
            request = pb.PreviewRequest(model=model, seeds=part, truncation_psi=psi, noise_mode=noise)
            for seed, png in zip(part, clients.call("generator", "Preview", request).images, strict=True):
                (out / f"seed{seed:04}.png").write_bytes(png)
    return {"out": str(out), "model": model, "counts": {"images": len(seeds)}}
