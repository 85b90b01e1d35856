"""`defectory generator`: train, synthesize, import, metrics, preview, list, show; the rest is in `generator_tools`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from defectory.errors import InvalidInput
from defectory.storage import ObjectStore
from defectory.storage.taking import take_files
from orchestrator.cli.models import list_models_of, show_model
from orchestrator.cli.options import (
    AsJson,
    Store,
    content_of,
    dataset_uri,
    derived_request_id,
    opened,
    session,
    store_url,
    stored_file,
)  # fmt: skip
from orchestrator.cli.output import emit

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Generators: one StyleGAN2-ADA a label.")
ClassLabel = Annotated[
    str, typer.Option("--class", metavar="LABEL", help="Class of a class-conditional model; else all in turn.")
]
Psi = Annotated[float, typer.Option("--truncation-psi", help="Truncation psi in [0, 2]; 1: none.")]
Cutoff = Annotated[
    int | None,
    typer.Option(
        "--truncation-cutoff",
        metavar="STYLES",
        min=0,
        max=64,
        help="Truncate only so many styles, the coarsest; else all.",
    ),
]
Precision = Annotated[
    str, typer.Option("--precision", help="Of the highest resolutions: fp32, bf16 (CPUs with avx512_bf16) or fp16.")
]
HalfResolutions = Annotated[
    int, typer.Option("--half-resolutions", min=1, max=8, help="Highest resolutions that --precision is for.")
]
DEFAULT_COUNT = 100
MAX_NUMBERS = 1_000_000  # in a list of seeds
SEED_LIMIT = 2**32  # of the seed of an image
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of every random number.")]
SHOWN = ["model", "label", "resolution_px", "kimg", "augment_p", "weights_sha256"]


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="Dataset, by name or by its manifest's URI.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model to make.")],
    label: Annotated[str, typer.Option("--label", help="Label whose images are learned.")] = "",
    labels: Annotated[
        str, typer.Option("--labels", metavar="A,B,…", help="In place of it: labels of one class-conditional model.")
    ] = "",
    config: Annotated[
        str,
        typer.Option("--config", help="Defaults: small, auto, stylegan2, paper256, paper512, paper1024 or cifar."),
    ] = "small",
    resolution: Annotated[
        int, typer.Option("--resolution", min=0, max=1024, metavar="PX", help="Side in pixels; 0: the dataset's.")
    ] = 0,
    channel_base: Annotated[
        int | None,
        typer.Option(
            "--channel-base",
            min=256,
            max=65536,
            help="Channels at r: min(base / r, 512); by --config, or as --init has.",
        ),
    ] = None,
    channel_max: Annotated[
        int | None, typer.Option("--channel-max", min=8, max=1024, help="At most so many, in place of 512.")
    ] = None,
    z_dim: Annotated[
        int | None,
        typer.Option("--z-dim", min=8, max=1024, help="Size of the latent z; by --config, or as --init has."),
    ] = None,
    w_dim: Annotated[
        int | None,
        typer.Option("--w-dim", min=8, max=1024, help="Size of the latent w; by --config, or as --init has."),
    ] = None,
    mapping_layers: Annotated[
        int | None,
        typer.Option("--mapping-layers", min=1, max=16, help="Of the mapping network; by --config, or as --init has."),
    ] = None,
    kimg: Annotated[
        float | None, typer.Option("--kimg", help="Thousands of images shown to the discriminator; small: 300.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=2, max=1024, help="Images a step; small: 16.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Of both optimisers; small: 0.002.")
    ] = None,
    mirror_x: Annotated[bool, typer.Option("--mirror-x", help="Also show real images mirrored.")] = False,
    mirror_y: Annotated[bool, typer.Option("--mirror-y", help="Also show real images upside down.")] = False,
    augment: Annotated[
        str, typer.Option("--augment", help="ada (as often as r_t asks for), fixed (with --augment-p) or none.")
    ] = "ada",
    augment_p: Annotated[
        float | None, typer.Option("--augment-p", help="Probability of each transformation with fixed, above 0 to 0.8.")
    ] = None,
    augment_target: Annotated[
        float | None, typer.Option("--augment-target", help="Target of r_t with ada, between 0 and 1; 0.6.")
    ] = None,
    augment_preset: Annotated[str, typer.Option("--augment-preset", help="blit, geom, color, bg, bgc, ...")] = "bgc",
    snapshot_kimg: Annotated[float, typer.Option("--snapshot-kimg", help="Between checkpoints; 0: kimg / 10.")] = 0.0,
    keep_checkpoints: Annotated[
        int, typer.Option("--keep-checkpoints", min=1, max=100, help="Newest checkpoints that stay.")
    ] = 2,
    measured: Annotated[
        int,
        typer.Option(
            "--measured-images", min=0, max=10_000, help="Images measured at a snapshot, watched for leaks; 0: none."
        ),
    ] = 200,
    ship: Annotated[str, typer.Option("--ship", help="best (by KID on held-out images) or last.")] = "best",
    patience: Annotated[
        int,
        typer.Option(
            "--patience", min=0, max=10_000, help="Snapshots without a better one that end it early; 0: never."
        ),
    ] = 0,
    leak_guard: Annotated[
        bool, typer.Option("--leak-guard/--no-leak-guard", help="Milder augmentation where it leaks into the images.")
    ] = True,
    seed: Seed = 0,
    r1_gamma: Annotated[
        float | None, typer.Option("--gamma", help="Weight of the R1 penalty; 1 suits few images.")
    ] = None,
    style_mixing: Annotated[
        float | None, typer.Option("--style-mixing", help="Probability of style mixing, 0 to 1; small: 0.9.")
    ] = None,
    path_length_weight: Annotated[
        float | None,
        typer.Option("--path-length-weight", help="Of path-length regularisation, 0 or more; small: 2."),
    ] = None,
    ema_kimg: Annotated[
        float | None,
        typer.Option("--ema-kimg", help="Half-life of the averaged weights, above 0; small: batch * 10 / 32."),
    ] = None,
    init: Annotated[
        str, typer.Option("--init", metavar="MODEL", help='Model to start from; "starter" comes with the package.')
    ] = "",
    freeze_d: Annotated[
        int, typer.Option("--freeze-d", min=0, max=8, help="Highest resolutions of D that stay as --init has them.")
    ] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    precision: Precision = "fp32",
    half_resolutions: HalfResolutions = 4,
    tf32: Annotated[bool, typer.Option("--tf32", help="Let a GPU round the factors of fp32 products.")] = False,
    micro_batch: Annotated[
        int, typer.Option("--micro-batch", min=0, max=1024, help="Images computed at once; 0: the whole batch.")
    ] = 0,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Train a generator on one label, or one on several. The same command again goes on where it was stopped.

    \b
    defectory generator train screws --label defect --name screws-defect --kimg 300 --init starter
    defectory generator train screws --labels bent,cut,dirt --name screws-defects --init screws-good
    """
    from defectory.api.generator.v1 import generator_pb2
    from orchestrator.pipeline.methods import TRAIN_GENERATOR
    from orchestrator.pipeline.settings import GeneratorSettings, validated
    from orchestrator.pipeline.synthetic_steps import trained_generator, training_settings

    given = {
        "channel_base": channel_base, "channel_max": channel_max, "z_dim": z_dim, "w_dim": w_dim,
        "mapping_layers": mapping_layers, "kimg": kimg, "batch": batch, "learning_rate": learning_rate,
        "r1_gamma": r1_gamma, "config": config, "device": device, "precision": precision, "tf32": tf32,
        "half_resolutions": half_resolutions, "micro_batch": micro_batch,
        "mirror_x": mirror_x, "mirror_y": mirror_y, "augment_mode": augment, "augment_preset": augment_preset,
        "augment_p": augment_p, "augment_target": augment_target, "style_mixing": style_mixing,
        "path_length_weight": path_length_weight, "ema_kimg": ema_kimg, "freeze_d": freeze_d,
        "snapshot_kimg": snapshot_kimg, "keep_checkpoints": keep_checkpoints, "measured_images": measured, "ship": ship,
        "patience": patience, "leak_guard": leak_guard,
    }  # fmt: skip
    settings = validated(GeneratorSettings, {name: value for name, value in given.items() if value is not None})
    message = training_settings(settings, resolution)
    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    request = generator_pb2.TrainGeneratorRequest(
        manifest_uri=manifest_uri, label=label, name=name, settings=message,
        seed=seed, initial_model=init, labels=[part.strip() for part in labels.split(",")] if labels else [],
    )  # fmt: skip
    request.request_id = derived_request_id("generator-train", content_of(store_, manifest_uri), request)
    with session(store_url(store)) as services, services.step(f"generator {name}"):
        made = services.clients.operate(TRAIN_GENERATOR, request, services.report).generator
    outputs = trained_generator(made).model_dump()
    emit({"model": f"{made.name}/{made.version}", "dataset": dataset, "manifest_uri": manifest_uri, **outputs}, as_json)


@app.command()
def synthesize(
    model: Annotated[str, typer.Option("--model", help='"name" (its newest version) or "name/version".')],
    dataset: Annotated[str, typer.Option("--dataset", help="Name of the dataset to write; else derived.")] = "",
    count: Annotated[
        int | None, typer.Option("--count", min=1, max=1_000_000, help="Number of images; 100, where no --seeds are.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds one by one, e.g. 0-9,42, in place of a count.")] = "",
    first_seed: Annotated[
        int, typer.Option("--first-seed", min=0, max=SEED_LIMIT - 1, help="Image i has seed FIRST + i.")
    ] = 0,
    psi: Psi = 1.0,
    cutoff: Cutoff = None,
    noise: Annotated[str, typer.Option("--noise", help="const, random or none.")] = "random",
    class_label: ClassLabel = "",
    precision: Precision = "fp32",
    half_resolutions: HalfResolutions = 4,
    restore_size: Annotated[
        bool, typer.Option("--restore-size", help="Undo the stretch to a square: as large as the photographs were.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Also write the PNG files here.")] = None,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Make images and write them as a dataset.

    \b
    defectory generator synthesize --model screws-defect --dataset more-screws --count 1000 --truncation-psi 0.8
    defectory generator synthesize --model screws-defect --seeds 0-9,42 --noise const --out pictures
    """
    from defectory.api.generator.v1 import generator_pb2
    from orchestrator.pipeline.methods import SYNTHESIZE

    if seeds and count is not None:
        right = "a count (with --first-seed) or seeds one by one, not both"
        raise InvalidInput(f"--count and --seeds are given: {right}", {"count": right, "seeds": right})
    store_ = opened(store)
    chosen = parse_numbers(seeds, "seeds") if seeds else []
    request = generator_pb2.SynthesizeRequest(
        model=with_version(store_, model), count=len(chosen) or count or DEFAULT_COUNT, first_seed=first_seed,
        seeds=chosen, truncation_psi=psi, noise_mode=noise, class_label=class_label, restore_size=restore_size,
        precision=precision, half_resolutions=half_resolutions, truncation_cutoff=cutoff,
    )  # fmt: skip
    dataset = dataset or derived_request_id(request.model.replace("/", "-"), request)
    request.dataset = dataset
    request.request_id = derived_request_id("synthesize", request)
    with session(store_url(store)) as services, services.step(f"synthesize {dataset}"):
        made = services.clients.operate(SYNTHESIZE, request, services.report)
    files = _export(store_, made.manifest_uri, out) if out else []
    result = {"dataset": dataset, "manifest_uri": made.manifest_uri, "model": request.model, "count": made.count}
    emit({**result, "content_hash": content_of(store_, made.manifest_uri), "files": len(files)}, as_json)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A .pkl or .safetensors.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model to make.")],
    label: Annotated[
        str, typer.Option("--label", help="Label of which it makes images; an export has one already.")
    ] = "",
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Import an official network pickle (stylegan2-ada-pytorch) or an export. Nothing in the file is executed.

    \b
    defectory generator import metfaces.pkl --name metfaces --label face
    defectory generator import screws.safetensors --name screws-defect
    """
    from defectory.api.generator.v1 import generator_pb2
    from orchestrator.pipeline.methods import IMPORT_GENERATOR

    uri = stored_file(opened(store), file)
    field = "safetensors_uri" if file.suffix.lower() == ".safetensors" else "pickle_uri"
    request = generator_pb2.ImportGeneratorRequest(**{field: uri}, name=name, label=label)
    request.request_id = derived_request_id("import", request)
    with session(store_url(store)) as services, services.step(f"import {name}"):
        made = services.clients.operate(IMPORT_GENERATOR, request, services.report).generator
    shown = {"model": f"{made.name}/{made.version}", "resolution_px": made.resolution_px, "channels": made.channels}
    emit({**shown, "label": made.label, "weights_sha256": made.weights_sha256}, as_json)


@app.command()
def metrics(
    model: Annotated[str, typer.Argument(help='"name" (its newest version) or "name/version".')],
    dataset: Annotated[str, typer.Option("--dataset", help="Dataset with images of its label, by name or URI.")],
    count: Annotated[int, typer.Option("--count", min=10, max=10_000, help="Images to make.")] = 500,
    psi: Psi = 1.0,
    cutoff: Cutoff = None,
    fid: Annotated[bool, typer.Option("--fid", help="FID too; refused below 10000 images of either kind.")] = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Measure a generator on validation images: KID with its interval, coverage, variety, copies of training images.

    \b
    defectory generator metrics screws-good --dataset screws
    """
    from defectory.api.generator.v1 import generator_pb2
    from orchestrator.pipeline.methods import EVALUATE_GENERATOR

    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    request = generator_pb2.EvaluateGeneratorRequest(
        model=with_version(store_, model),
        manifest_uri=manifest_uri,
        count=count,
        truncation_psi=psi,
        fid=fid,
        truncation_cutoff=cutoff,
    )
    request.request_id = derived_request_id("metrics", content_of(store_, manifest_uri), request)
    with session(store_url(store)) as services, services.step(f"metrics {model}"):
        found = services.clients.operate(EVALUATE_GENERATOR, request, services.report)
    values = {name: round(value, 4) for name, value in sorted(found.metrics.items())}
    emit({"model": request.model, "dataset": dataset, "held_out_images": found.held_out_images, **values}, as_json)


@app.command()
def preview(
    model: Annotated[str, typer.Option("--model", help='"name" (its newest version) or "name/version".')],
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds, e.g. 0-9,42; at most 64.")] = "0-15",
    psi: Psi = 1.0,
    cutoff: Cutoff = None,
    noise: Annotated[str, typer.Option("--noise", help="const, random or none.")] = "const",
    class_label: ClassLabel = "",
    precision: Precision = "fp32",
    half_resolutions: HalfResolutions = 4,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the PNG files.")] = Path("preview"),
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Make a few images at once, as files, and all of them on one sheet.

    \b
    defectory generator preview --model screws-defect --seeds 0-9,42 --out pictures
    """
    from defectory.api.generator.v1 import generator_pb2
    from orchestrator.pipeline.methods import PREVIEW

    numbers = parse_numbers(seeds, "seeds")
    request = generator_pb2.PreviewRequest(
        model=model, seeds=numbers, truncation_psi=psi, noise_mode=noise, class_label=class_label, precision=precision,
        half_resolutions=half_resolutions, truncation_cutoff=cutoff,
    )  # fmt: skip
    with session(store_url(store)) as services, services.step(f"preview {model}"):
        response = services.clients.call(PREVIEW, request)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / f"seed{seed:06d}.png" for seed in numbers]
    for file, image in zip(files, response.images, strict=True):
        file.write_bytes(image)
    sheet = out / "sheet.png"
    sheet.write_bytes(_sheet(list(response.images)))
    emit({"model": model, "count": len(files), "sheet": str(sheet), "files": [str(f) for f in files]}, as_json)


@app.command(name="list")
def list_(store: Store = "", as_json: AsJson = False) -> None:
    """List the generators in the store, the newest version of each name first.

    \b
    defectory generator list --store s3://bucket/line
    """
    list_models_of(opened(store), "generator", SHOWN, as_json)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help='"name" (its newest version) or "name/version".')],
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Show a generator's card: its weights' sha256, kimg, p, settings and lineage.

    \b
    defectory generator show screws-defect/2 --json
    """
    show_model(opened(store), "generator", model, as_json)


def parse_numbers(text: str, field: str, limit: int = SEED_LIMIT) -> list[int]:
    """ "0-9,42" as numbers.

    Args:
        limit: all of them are below it.

    Raises:
        InvalidInput: not such a list; names the field.
    """
    right = f"give numbers and ranges, e.g. 0-9,42, each from 0 to {limit - 1}"
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"([0-9]{1,20})(?:-([0-9]{1,20}))?", part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
        if not first <= last < limit:
            raise InvalidInput(f"{field} {part.strip()[:50]!r}: {right}", {field: right})
        if len(numbers) + last - first >= MAX_NUMBERS:
            raise InvalidInput(f"{field} {text[:50]!r}: at most a million", {field: "at most a million"})
        numbers += range(first, last + 1)
    return numbers


def with_version(store: ObjectStore, model: str) -> str:
    """ "name/version" of "name" (its newest version) or "name/version"; NotFound."""
    from defectory.models import resolve

    return "/".join(resolve(store, "generator", model))


def _sheet(images: list[bytes]) -> bytes:
    """PNG files of one size as one picture, about square."""
    import math

    from PIL import Image

    from defectory.imaging import decode, encode_png

    decoded = [decode(image) for image in images]
    columns, (width, height) = math.ceil(math.sqrt(len(decoded))), decoded[0].size
    sheet = Image.new(decoded[0].mode, (columns * width, -(-len(decoded) // columns) * height))
    for number, image in enumerate(decoded):
        sheet.paste(image, (number % columns * width, number // columns * height))
    return encode_png(sheet)


def _export(store: ObjectStore, manifest_uri: str, out: Path) -> list[Path]:
    from defectory.datasets.manifest import read_manifest
    from defectory.settings import reading_from_environment

    lines = read_manifest(store, manifest_uri, reading_from_environment())
    files = [out / (f"seed{line.seed:06d}.png" if line.seed is not None else f"{line.sha256}.png") for line in lines]
    take_files(store, [(line.uri, file, line.sha256) for line, file in zip(lines, files, strict=True)])
    return files
