"""Finding the latent of an image, as a job."""

import io
import statistics
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput, NotFound
from defectory.imaging import decode, encode_png, to_square
from defectory.imaging.sheet import contact_sheet
from defectory.models import MAX_SEED
from defectory.serving.manifests import reading_of
from defectory.serving.operations.context import JobContext
from defectory.storage import ObjectStore
from services.generator import bundle, latents
from services.generator.jobs.messages import require, write_file
from services.generator.projection.distance import PictureDistance
from services.generator.projection.projector import Projection, project, psnr_db
from services.generator.rendering import to_pixels
from services.generator.stylegan2.networks import Architecture, Discriminator, Generator
from services.generator.stylegan2.placing import place
from services.generator.tensors import under
from services.generator.training import data
from services.generator.training.checkpoints import newest_tensors
from services.generator.training.device import on_best_device, set_up
from services.generator.training.transfer import copy_matching

MIN_STEPS, DEFAULT_STEPS, MAX_STEPS = 10, 500, 10_000
DEFAULT_COMPARED, MAX_COMPARED = 3, 15


def plan_projection(request: generator_pb2.ProjectImageRequest, store: ObjectStore) -> tuple[int, int]:
    """Check a request and return its steps and the number of own images to compare with.

    Raises:
        InvalidInput: names every field that is wrong. Refused: a URI outside of the store. NotFound: no such object.
    """
    require(request.model, "model")
    require(request.image_uri, "image_uri")
    steps = request.steps or DEFAULT_STEPS
    compared = request.compared if request.HasField("compared") else DEFAULT_COMPARED
    wrong = {}
    if not MIN_STEPS <= steps <= MAX_STEPS:
        wrong["steps"] = f"{steps}: {MIN_STEPS} to {MAX_STEPS}"
    if not 0 <= compared <= MAX_COMPARED:
        wrong["compared"] = f"{compared}: 0 to {MAX_COMPARED}"
    if not 0 <= request.seed <= MAX_SEED:
        wrong["seed"] = f"{request.seed}: 0 to 2^62"
    if wrong:
        raise InvalidInput("; ".join(f"{k} is {v}" for k, v in wrong.items()), wrong)
    if not store.exists(store.key(request.image_uri)):
        raise NotFound(f"there is no object {request.image_uri}; put the image there first")
    if request.manifest_uri and not store.exists(store.key(request.manifest_uri)):
        raise NotFound(f"there is no manifest {request.manifest_uri}")
    return steps, compared


def project_image(request: generator_pb2.ProjectImageRequest, job: JobContext) -> generator_pb2.ProjectImageResponse:
    """Search for the image and, beside it, for images of the network's own, whose latents exist, and held-out ones."""
    steps, compared = plan_projection(request, job.store)
    job.report("reading the model", 0, steps, "steps")
    generator, card = bundle.load(job.store, request.model)
    generator = on_best_device(generator, set_up(job.settings))
    device = generator.mapping.w_average.device
    try:
        target = _target(job.store.get(job.store.key(request.image_uri)), card.architecture, card.bits)
    except InvalidInput as error:
        raise InvalidInput(f"the image: {error}", {"image_uri": str(error)}) from error
    class_index = card.class_index(request.class_label)
    labels = [request.class_label] if request.class_label and card.classes else card.labels
    own = _own_images(generator, compared, class_index)
    held_out = _held_out(request.manifest_uri, job, card.architecture, labels, compared)
    targets = place(torch.cat([target, own, held_out]), device)
    discriminator = _discriminator(job.store, card, device)

    def progress(done: int, total: int, distances: Tensor) -> None:
        job.report("searching", done, total, "steps", values={"distance": float(distances[0])})

    distance = PictureDistance(targets, discriminator)
    projection = project(generator, targets, distance, steps, request.seed, progress, class_index)
    side_by_side = torch.stack([targets, projection.images], dim=1).flatten(0, 1)
    picture, _ = write_file(job, "projection.png", encode_png(contact_sheet(to_pixels(side_by_side), columns=2)))
    npz, _ = write_file(job, "projection.npz", _npz(projection))
    return generator_pb2.ProjectImageResponse(
        picture_uri=picture,
        latents_uri=npz,
        metrics=_metrics(targets, projection, distance, {"own": len(own), "held_out": len(held_out)}),
        used_discriminator=discriminator is not None,
    )


def _target(data: bytes, architecture: Architecture, bits: int) -> Tensor:
    """Bytes of an image as a target of the network's size and colours: (1, C, R, R) in [-1, 1]."""
    colours = "L" if architecture.channels == 1 else "RGB"
    image = to_square(decode(data, bits=bits), architecture.resolution_px).convert(colours)
    pixels = np.asarray(image).reshape(architecture.resolution_px, architecture.resolution_px, -1)
    if architecture.channels == 4:  # opaque
        pixels = np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=2)
    return _as_targets(pixels[None].copy())


def _own_images(generator: Generator, count: int, class_index: int | None) -> Tensor:
    """Images of the seeds from 0 on, of a class or all in turn, as a camera has them: (N, C, R, R) in [-1, 1]."""
    if not count:
        side = generator.architecture.resolution_px
        return torch.empty(0, generator.architecture.channels, side, side)
    classes = [] if class_index is None else [class_index] * count
    w = latents.w_of_seeds(generator, range(count), classes=classes)
    return _as_targets(latents.pictures(generator, generator.styles_of(w)))


def _held_out(
    manifest_uri: str, job: JobContext, architecture: Architecture, labels: Sequence[str], count: int
) -> Tensor:
    """At most so many validation images of the labels, of each in turn: (N, C, R, R) in [-1, 1].

    Raises:
        InvalidInput: the manifest has none.
    """
    lines = read_manifest(job.store, manifest_uri, reading_of(job)) if manifest_uri and count else []
    in_turn = zip_longest(*(data.of_split(lines, label, "validation") for label in labels))
    chosen = [line for lines_of_all in in_turn for line in lines_of_all if line is not None][:count]
    pixels = data.pixels(job.store, chosen, architecture)
    if manifest_uri and count and not len(pixels):
        right = f"a manifest with validation images of {' or '.join(map(repr, labels))}"
        raise InvalidInput(f"{manifest_uri} has nothing to compare with: give {right}", {"manifest_uri": right})
    return _as_targets(pixels)


def _as_targets(pixels: np.ndarray) -> Tensor:
    """Pixels (N, R, R, C) uint8 as targets (N, C, R, R) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def _discriminator(store: ObjectStore, card: bundle.GeneratorCard, device: torch.device) -> Discriminator | None:
    """Of the model's last checkpoint, if it is kept and fits, on a device."""
    tensors = newest_tensors(store, card.prefix) or {}
    judging = under(tensors, "d/")
    discriminator = Discriminator(card.architecture)
    if not judging or copy_matching(discriminator, judging):
        return None
    return discriminator.eval().requires_grad_(False).to(device)


def _npz(projection: Projection) -> bytes:
    """Latents of the image, the first of those that were searched for."""
    buffer = io.BytesIO()
    noise = {f"noise_{number}": layer[0, 0].cpu().numpy() for number, layer in enumerate(projection.noise)}
    np.savez(buffer, allow_pickle=False, w=projection.w[0].cpu().numpy(), **noise)
    return buffer.getvalue()


@torch.no_grad()
def _metrics(
    targets: Tensor, projection: Projection, distance: PictureDistance, groups: Mapping[str, int]
) -> dict[str, float]:
    """Of the image, the first of the targets, and the medians of each group behind it (name: how many)."""
    flat = targets.mean(dim=(2, 3), keepdim=True).expand_as(targets)
    values = {
        "psnr_db": psnr_db(targets, projection.images).tolist(),
        "distance": projection.distances.tolist(),
        "unexplained": (projection.distances / distance(flat).clamp(min=1e-12)).tolist(),
    }
    metrics = {name: of_each[0] for name, of_each in values.items()}
    start = 1
    for group, count in groups.items():
        if count:
            metrics |= {
                f"{group}_{name}": statistics.median(of_each[start : start + count]) for name, of_each in values.items()
            }
        start += count
    if "own_unexplained" in metrics:
        metrics["unexplained_ratio"] = metrics["unexplained"] / max(metrics["own_unexplained"], 1e-12)
    return metrics
