"""`defectory generator`: train, synthesize, import, metrics, preview, list, show; tools are in files of their own."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectory.datasets.splits import MIN_HELD_OUT
from defectory.errors import InvalidInput
from defectory.job_settings.generator_training import STARTER, GeneratorTraining
from defectory.job_settings.rendering import NoisyRendering, PreviewRendering, Truncation
from defectory.storage import ObjectStore
from defectory.storage.taking import take_files
from orchestrator.cli.models import list_models_of, show_model
from orchestrator.cli.options import (
    AsJson,
    Store,
    Verbose,
    content_of,
    dataset_uri,
    derived_request_id,
    new_name,
    opened,
    session,
    store_url,
    stored_file,
)  # fmt: skip
from orchestrator.cli.output import emit
from orchestrator.cli.setting_options import with_settings

if TYPE_CHECKING:
    from defectory.datasets.manifest_line import ManifestLine

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Generators: one StyleGAN2-ADA a label.")
ClassLabel = Annotated[
    str, typer.Option("--class", metavar="LABEL", help="Class of a class-conditional model; else all in turn.")
]
DEFAULT_COUNT = 100
NOTHING = "none"  # in place of a model to start from
MAX_NUMBERS = 1_000_000  # in a list of seeds
SEED_LIMIT = 2**32  # of the seed of an image
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of every random number.")]
SHOWN = ["model", "label", "resolution_px", "kimg", "augment_p", "weights_sha256"]


@app.command()
@with_settings({"r1_gamma": "gamma", "augment_mode": "augment", "resolution_px": "resolution"})
def train(
    dataset: Annotated[str, typer.Argument(help="Dataset, by name or by its manifest's URI.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model to make.", callback=new_name)],
    label: Annotated[str, typer.Option("--label", help="Label whose images are learned.")] = "",
    labels: Annotated[
        str, typer.Option("--labels", metavar="A,B,…", help="In place of it: labels of one class-conditional model.")
    ] = "",
    init: Annotated[
        str,
        typer.Option(
            "--init",
            metavar="MODEL|starter|none",
            help="Model to start from; starter comes with the package, and is the default unless --config or a width "
            "asks for another network.",
        ),
    ] = "",
    *,
    training: GeneratorTraining,
    seed: Seed = 0,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Train a generator on one label, or one on several. The same command again goes on where it was stopped.

    \b
    defectory generator train screws --label defect --name screws-defect --kimg 48 --gamma 1
    defectory generator train screws --labels bent,cut,dirt --name screws-defects --init screws-good
    """
    from defectory.api.generator.v1 import generator_pb2
    from defectory.datasets.manifest import content_hash, read_manifest
    from defectory.job_settings.messages import fill
    from defectory.settings import reading_from_environment
    from orchestrator.pipeline.generation import trained_generator
    from orchestrator.pipeline.methods import TRAIN_GENERATOR

    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    start = _start(init, training)
    if start not in ("", STARTER):
        with_version(store_, start)  # before a service is started
    request = generator_pb2.TrainGeneratorRequest(
        manifest_uri=manifest_uri, label=label, name=name, settings=fill(generator_pb2.TrainingSettings(), training),
        seed=seed, initial_model=start,
        labels=[part.strip() for part in labels.split(",")] if labels else [],
    )  # fmt: skip
    lines = read_manifest(store_, manifest_uri, reading_from_environment())
    request.request_id = derived_request_id("generator-train", content_hash(lines), request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"generator {name}"):
        for text in _not_measured(lines, list(request.labels) or [label]) if training.measured_images != 0 else ():
            services.warn(text)
        trained = services.clients.operate(TRAIN_GENERATOR, request, services.report).generator
    outputs = trained_generator(trained).model_dump()
    emit(
        {"model": f"{trained.name}/{trained.version}", "dataset": dataset, "manifest_uri": manifest_uri, **outputs},
        as_json,
    )


def _not_measured(lines: "Sequence[ManifestLine]", labels: Sequence[str]) -> Iterator[str]:
    """What is lost where too few images are held out to measure by which stage of a training is the best."""
    held_out = sum(line.split == "validation" and line.label in labels for line in lines)
    if held_out < MIN_HELD_OUT:
        yield (
            f"{', '.join(labels)}: {held_out} validation images, and {MIN_HELD_OUT} are needed to measure how far what "
            "the generator makes is from them: its last stage without a fault is kept, not its best. Ingest with a "
            "larger --validation-share, or photograph more"
        )


def _start(init: str, training: GeneratorTraining) -> str:
    """The model to start from; empty: none."""
    return "" if init == NOTHING else init or training.recommended_start


@app.command()
@with_settings({"noise_mode": "noise"})
def synthesize(
    model: Annotated[str, typer.Option("--model", help='"name" (its newest version) or "name/version".')],
    dataset: Annotated[
        str, typer.Option("--dataset", help="Name of the dataset to write; else derived.", callback=new_name)
    ] = "",
    count: Annotated[
        int | None, typer.Option("--count", min=1, max=1_000_000, help="Number of images; 100, where no --seeds are.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds one by one, e.g. 0-9,42, in place of a count.")] = "",
    first_seed: Annotated[
        int, typer.Option("--first-seed", min=0, max=SEED_LIMIT - 1, help="Image i has seed FIRST + i.")
    ] = 0,
    class_label: ClassLabel = "",
    restore_size: Annotated[
        bool, typer.Option("--restore-size", help="Undo the stretch to a square: as large as the photographs were.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Also write the PNG files here.")] = None,
    *,
    rendering: NoisyRendering,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Make images and write them as a dataset.

    \b
    defectory generator synthesize --model screws-defect --dataset more-screws --count 1000 --truncation-psi 0.8
    defectory generator synthesize --model screws-defect --seeds 0-9,42 --noise const --out pictures
    """
    from defectory.api.generator.v1 import generator_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.cli.destinations import folder_to_write
    from orchestrator.pipeline.methods import SYNTHESIZE

    out = folder_to_write(out) if out else None
    if seeds and count is not None:
        right = "a count (with --first-seed) or seeds one by one, not both"
        raise InvalidInput(f"--count and --seeds are given: {right}", {"count": right, "seeds": right})
    chosen = parse_numbers(seeds, "seeds") if seeds else []
    store_ = opened(store)
    request = generator_pb2.SynthesizeRequest(
        model=with_version(store_, model), count=len(chosen) or count or DEFAULT_COUNT, first_seed=first_seed,
        seeds=chosen, class_label=class_label, restore_size=restore_size,
    )  # fmt: skip
    request = fill(request, rendering)
    dataset = dataset or derived_request_id(request.model.replace("/", "-"), request)
    request.dataset = dataset
    request.request_id = derived_request_id("synthesize", request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"synthesize {dataset}"):
        synthesised = services.clients.operate(SYNTHESIZE, request, services.report)
    files = _export(store_, synthesised.manifest_uri, out) if out else []
    result = {
        "dataset": dataset,
        "manifest_uri": synthesised.manifest_uri,
        "model": request.model,
        "count": synthesised.count,
    }
    emit({**result, "content_hash": content_of(store_, synthesised.manifest_uri), "files": len(files)}, as_json)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A .pkl or .safetensors.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model to make.", callback=new_name)],
    label: Annotated[
        str, typer.Option("--label", help="Label of which it makes images; an export has one already.")
    ] = "",
    verbose: Verbose = False,
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

    uri = stored_file(opened(store, make=True), file)
    field = "safetensors_uri" if file.suffix.lower() == ".safetensors" else "pickle_uri"
    request = generator_pb2.ImportGeneratorRequest(**{field: uri}, name=name, label=label)
    request.request_id = derived_request_id("import", request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"import {name}"):
        imported = services.clients.operate(IMPORT_GENERATOR, request, services.report).generator
    shown = {
        "model": f"{imported.name}/{imported.version}",
        "resolution_px": imported.resolution_px,
        "channels": imported.channels,
    }
    emit({**shown, "label": imported.label, "weights_sha256": imported.weights_sha256}, as_json)


@app.command()
@with_settings()
def metrics(
    model: Annotated[str, typer.Argument(help='"name" (its newest version) or "name/version".')],
    dataset: Annotated[str, typer.Option("--dataset", help="Dataset with images of its label, by name or URI.")],
    count: Annotated[int, typer.Option("--count", min=10, max=10_000, help="Images to make.")] = 500,
    *,
    truncation: Truncation,
    fid: Annotated[bool, typer.Option("--fid", help="FID too; refused below 10000 images of either kind.")] = False,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Measure a generator on validation images: KID with its interval, coverage, variety, copies of training images.

    \b
    defectory generator metrics screws-good --dataset screws
    """
    from defectory.api.generator.v1 import generator_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.pipeline.methods import EVALUATE_GENERATOR

    store_ = opened(store)
    manifest_uri = dataset_uri(store_, dataset)
    request = generator_pb2.EvaluateGeneratorRequest(
        model=with_version(store_, model), manifest_uri=manifest_uri, count=count, fid=fid
    )
    request = fill(request, truncation)
    request.request_id = derived_request_id("metrics", content_of(store_, manifest_uri), request)
    with session(store_url(store), verbose=verbose) as services, services.step(f"metrics {model}"):
        evaluation = services.clients.operate(EVALUATE_GENERATOR, request, services.report)
    values = {name: round(value, 4) for name, value in sorted(evaluation.metrics.items())}
    emit({"model": request.model, "dataset": dataset, "held_out_images": evaluation.held_out_images, **values}, as_json)


@app.command()
@with_settings({"noise_mode": "noise"})
def preview(
    model: Annotated[str, typer.Option("--model", help='"name" (its newest version) or "name/version".')],
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds, e.g. 0-9,42; at most 64.")] = "0-15",
    class_label: ClassLabel = "",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the PNG files.")] = Path("preview"),
    *,
    rendering: PreviewRendering,
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Make a few images at once, as files, and all of them on one sheet.

    \b
    defectory generator preview --model screws-defect --seeds 0-9,42 --out pictures
    """
    from defectory.api.generator.v1 import generator_pb2
    from defectory.job_settings.messages import fill
    from orchestrator.cli.destinations import folder_to_write, write_files
    from orchestrator.pipeline.methods import PREVIEW

    out = folder_to_write(out)
    numbers = parse_numbers(seeds, "seeds")
    model = with_version(opened(store), model)
    request = fill(generator_pb2.PreviewRequest(model=model, seeds=numbers, class_label=class_label), rendering)
    with session(store_url(store), verbose=verbose) as services, services.step(f"preview {model}"):
        response = services.clients.call(PREVIEW, request)
    images = {f"seed{seed:06d}.png": image for seed, image in zip(numbers, response.images, strict=True)}
    write_files(out, {**images, "sheet.png": _sheet(list(response.images))})
    files = [str(out / name) for name in images]
    emit({"model": model, "count": len(files), "sheet": str(out / "sheet.png"), "files": files}, as_json)


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
        match = re.fullmatch(r"([0-9]{1,20})(?:-([0-9]{1,20}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
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

    import numpy as np

    from defectory.imaging import decode, encode_png
    from defectory.imaging.sheet import contact_sheet

    columns = math.ceil(math.sqrt(len(images)))
    return encode_png(contact_sheet([np.asarray(decode(image)) for image in images], columns))


def _export(store: ObjectStore, manifest_uri: str, out: Path) -> list[Path]:
    from defectory.datasets.manifest import read_manifest
    from defectory.settings import reading_from_environment

    lines = read_manifest(store, manifest_uri, reading_from_environment())
    seeds = [line.synthesis.seed if line.synthesis else None for line in lines]
    files = [
        out / (f"seed{seed:06d}.png" if seed is not None else f"{line.file.sha256}.png")
        for seed, line in zip(seeds, lines, strict=True)
    ]
    take_files(store, [(line.file.uri, file, line.file.sha256) for line, file in zip(lines, files, strict=True)])
    return files
