"""`defectory generator project`: the pictures of a generator that are nearest to given ones."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from defectory.errors import InvalidInput
from defectory.exit_codes import EXIT_CODES
from defectory.storage import ObjectStore
from defectory.storage.taking import take_files
from orchestrator.cli.generator import Seed, app, with_version
from orchestrator.cli.generator_tools import weights_of
from orchestrator.cli.options import (
    AsJson,
    Session,
    Store,
    Verbose,
    content_of,
    dataset_uri,
    derived_request_id,
    opened,
    session,
    store_url,
    stored_file,
)
from orchestrator.cli.output import emit, table

if TYPE_CHECKING:
    from defectory.api.generator.v1.generator_pb2 import ProjectImageRequest

SHOWN = ["image", "unexplained", "unexplained_ratio", "psnr_db", "files"]  # of a folder's images


@app.command()
def project(
    image: Annotated[
        str,
        typer.Argument(metavar="IMAGE|DIR", help="An image file, a folder of them, or an image's URI in the store."),
    ],
    model: Annotated[str, typer.Option("--model", help='"name" (its newest version) or "name/version".')],
    steps: Annotated[int, typer.Option("--steps", min=10, max=10_000, help="Steps of the search.")] = 500,
    compared: Annotated[
        int, typer.Option("--compared", min=0, max=15, help="The network's own images to compare with.")
    ] = 3,
    dataset: Annotated[
        str, typer.Option("--dataset", help="Compare with as many validation images of this dataset too.")
    ] = "",
    class_label: Annotated[
        str, typer.Option("--class", metavar="LABEL", help="Class to search from and compare with; else all.")
    ] = "",
    seed: Seed = 0,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of picture and latents; of a DIR's images one each.")
    ] = Path("projection"),
    verbose: Verbose = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Find the w whose picture is nearest to an image. What the network cannot make, it has not learned.

    Of a folder, an image that is broken is named, the others are searched for, and the exit code is 3.

    \b
    defectory generator project photo.jpg --model screws-good --dataset screws --out projection
    defectory generator project photos/defect --model screws-defect --out projections
    defectory generator project photo.jpg --model screws-defects --class cut --dataset screws
    """
    from defectory.api.generator.v1 import generator_pb2
    from orchestrator.cli.destinations import folder_to_write
    from orchestrator.cli.pictures import named

    out = folder_to_write(out)
    images = named([image]).images
    store_ = opened(store)
    request = generator_pb2.ProjectImageRequest(
        model=with_version(store_, model), steps=steps, compared=compared, seed=seed, class_label=class_label,
        manifest_uri=dataset_uri(store_, dataset) if dataset else "",
    )  # fmt: skip
    if not Path(image).is_dir():
        with session(store_url(store), verbose=verbose) as services, services.step(f"project onto {request.model}"):
            found_one = _projected(services, store_, request, image, out)
        emit(found_one, as_json)
        return
    projections: list[dict[str, object]] = []
    failed: dict[str, str] = {}
    with session(store_url(store), verbose=verbose) as services:
        for number, one in enumerate(images, 1):
            name = Path(one).relative_to(image)
            with services.step(f"project {name} ({number} of {len(images)})"):
                try:
                    projections.append(_projected(services, store_, request, one, out / name.parent / name.name))
                except InvalidInput as wrong:
                    if "image_uri" not in wrong.fields:
                        raise
                    failed[one] = str(wrong)
                    services.doubt(str(wrong))
    errors = [{"image": one, "error": error} for one, error in failed.items()]
    result = {"model": request.model, "count": len(projections), "projections": projections, "failed": errors}
    emit(result, as_json, table(projections, SHOWN))
    for one, error in failed.items():
        sys.stderr.write(f"error: {one}: {error}\n")
    if failed:
        raise typer.Exit(EXIT_CODES[InvalidInput])


def _projected(
    services: Session, store: ObjectStore, wanted: "ProjectImageRequest", image: str, out: Path
) -> dict[str, object]:
    """Search for one image, and take what was found.

    Args:
        wanted: the request, but for the image.
    """
    from defectory.api.generator.v1 import generator_pb2
    from orchestrator.pipeline.methods import PROJECT_IMAGE

    request = generator_pb2.ProjectImageRequest()
    request.CopyFrom(wanted)
    request.image_uri = image if "://" in image else stored_file(store, Path(image))
    held_out = content_of(store, request.manifest_uri) if request.manifest_uri else ""
    request.request_id = derived_request_id("project", weights_of(store, request.model), held_out, request)
    projection = services.clients.operate(PROJECT_IMAGE, request, services.report)
    files = [(projection.picture_uri, out / "projection.png", ""), (projection.latents_uri, out / "projection.npz", "")]
    take_files(store, files)
    values = {name: round(value, 4) for name, value in sorted(projection.metrics.items())}
    shown = {"image": image, "model": request.model, **values, "used_discriminator": projection.used_discriminator}
    return {**shown, "files": [str(file) for _, file, _ in files]}
