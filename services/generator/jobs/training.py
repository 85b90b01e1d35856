"""Training as a job: what a request means, which version it makes, where it goes on."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
import torch

from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import DEFAULT_READING, Reading, bits_of, content_hash, read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import AlreadyExists, InvalidInput
from defectory.models import check_name, check_seed, reserve_version, version_prefix
from defectory.serving.manifests import reading_of
from defectory.serving.messages import given
from defectory.serving.operations.context import JobContext
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.jobs.messages import describe, require
from services.generator.metrics.classes import Classes
from services.generator.stylegan2.networks import Generator
from services.generator.training import data, settings, transfer
from services.generator.training.checkpoints import Checkpoints
from services.generator.training.device import choose, set_up
from services.generator.training.distributed import ALONE, World
from services.generator.training.loop import Report, Trained, identity, train
from services.generator.training.read_only import ReadOnly
from services.generator.training.snapshot_judge import Judge, why_not_judged
from services.generator.training.snapshots import draw_sheet, write_history, write_sheet, write_video
from services.generator.training.storing import until_possible
from services.generator.training.trainer import Trainer

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TrainingPlan:
    """What a training will do, as far as it can be known without reading images."""

    lines: Sequence[ManifestLine]
    classes: Sequence[int]  # of every line, the index of its label; empty: one label
    lines_held_out: Sequence[ManifestLine]
    resolution_px: int
    values: Mapping[str, Any]  # settings that were given
    initial_model: str  # "name/version" or empty


def plan_training(
    request: generator_pb2.TrainGeneratorRequest, store: ObjectStore, reading: Reading = DEFAULT_READING
) -> TrainingPlan:
    """Check a request.

    Raises:
        InvalidInput: a setting, the label, a training image that is tested on. NotFound: manifest, initial model.
    """
    check_name(request.name)
    if request.label and request.labels:
        right = "one of the two"
        raise InvalidInput(f"both label and labels are given: {right}", {"label": right, "labels": right})
    if not request.labels:
        require(request.label, "label")
    require(request.manifest_uri, "manifest_uri")
    check_seed(request.seed)
    values = given(request.settings)
    every_line = read_manifest(store, request.manifest_uri, reading)
    classes: Sequence[int] = ()
    if request.labels:
        lines, classes = data.select_classes(every_line, list(request.labels))
    else:
        lines = data.select(every_line, request.label)
    held_out = data.of_labels(every_line, list(request.labels) or [request.label], "validation")
    default_px = data.default_resolution([*lines, *held_out])
    resolved = settings.resolve(
        values, size_px=default_px, channels=4 if values.get("with_mask") else 3, classes=len(request.labels)
    )
    if resolved.freeze_d and not request.initial_model:
        right = "0, for without an initial model the layers would stay random"
        raise InvalidInput(f"freeze_d is {resolved.freeze_d}: {right}", {"settings.freeze_d": right})
    why_not = why_not_judged(resolved.measured_images, len(held_out))
    if resolved.patience and why_not:
        right = f"0, for no snapshot could be the better one by KID: {why_not}"
        raise InvalidInput(f"patience is {resolved.patience}: {right}", {"settings.patience": right})
    initial = transfer.full_name(store, request.initial_model) if request.initial_model else ""
    return TrainingPlan(lines, classes, held_out, resolved.architecture.resolution_px, values, initial)


def train_generator(
    request: generator_pb2.TrainGeneratorRequest, job: JobContext, world: World = ALONE
) -> generator_pb2.TrainGeneratorResponse:
    """Train, from the last checkpoint if there is one, and write the model.

    Of several processes that train together each does this; the first one writes.
    """
    version = world.in_turn(lambda: reserve_version(job.store, bundle.KIND, request.name, job.operation_id))
    prefix = version_prefix(bundle.KIND, request.name, version)
    if job.store.exists(f"{prefix}model.json"):  # finished before, but could not say so
        card = bundle.read_card(job.store, f"{request.name}/{version}")
        return generator_pb2.TrainGeneratorResponse(generator=describe(job.store, card))
    choose(set_up(job.settings))  # a service that is to have a GPU does not train on without it
    plan = plan_training(request, job.store, reading_of(job))
    job.report("reading images", 0, 0, "images")
    initial = world.in_turn(lambda: _pinned(job.store, prefix, plan.initial_model))
    with_mask = bool(plan.values.get("with_mask"))
    images = data.load(job.store, plan.lines, plan.resolution_px, with_mask=with_mask)
    chosen = settings.resolve(
        plan.values,
        size_px=plan.resolution_px,
        channels=images.pixels.shape[1],
        classes=len(request.labels),
        initial=transfer.architecture_of(job.store, initial) if initial else None,
    )

    classes = torch.tensor(plan.classes) if plan.classes else None

    def make_trainer() -> Trainer:
        trainer = Trainer(images.pixels, chosen, request.seed, classes, world)
        if initial:
            transfer.start_from(trainer, job.store, initial, list(request.labels))
        return trainer

    held_out = data.pixels(job.store, plan.lines_held_out, chosen.architecture)
    training = identity(chosen, request.seed, images.content_hash, initial, content_hash(plan.lines_held_out))
    known = Classes(request.labels, plan.classes, data.class_indices(plan.lines_held_out, request.labels))
    learned = images.pixels.permute(0, 2, 3, 1).numpy()
    judge = Judge(learned, held_out, chosen, known, *map(data.parts_of, (plan.lines, plan.lines_held_out)))
    if judge.why_not:  # who ingests, and who asks for a training, is warned there
        log.warning("snapshots are chosen without KID (how far made images are from real ones)", why=judge.why_not)
    job.report("building the networks", 0, 0, "images")
    report = _reporter(job, chosen.kimg)
    store = job.store if world.writes else ReadOnly(job.store)
    trained = train(make_trainer, store, prefix, training, report, judge)

    def pulse() -> None:
        report(trained.trainer.images_seen, {}, "")

    def write() -> bundle.GeneratorCard | None:
        if not world.writes:
            return None
        return _write(
            job.store,
            prefix,
            trained,
            judge.why_not,
            {
                "name": request.name,
                "version": version,
                "label": request.label or "+".join(request.labels),
                "classes": tuple(request.labels),
                "stretched_from": data.original_size(plan.lines),
                "bits": bits_of(plan.lines),
                "manifest_uri": request.manifest_uri,
                "content_hash": images.content_hash,
                "training_images": len(images.pixels),
                "settings": chosen,
                "seed": request.seed,
                "initial_model": initial,
            },
        )

    written = until_possible("the model", write, pulse, world)
    until_possible("removing older checkpoints", Checkpoints(store, prefix, training).keep_last, pulse, world)
    return generator_pb2.TrainGeneratorResponse(generator=describe(job.store, written) if written else None)


def _write(
    store: ObjectStore, prefix: str, trained: Trained, not_measured: str, fields: Mapping[str, Any]
) -> bundle.GeneratorCard:
    """Write the snapshot that is shipped, its sheet, the video of all sheets, and the card, which makes the model."""
    trainer, course = trained.trainer, trained.course
    shipped = course.shipped(trainer.average.state_dict(), not_measured)
    generator = Generator(trainer.settings.architecture).requires_grad_(False)
    generator.load_state_dict(dict(shipped.weights))
    sample_key = write_sheet(store, prefix, round(shipped.kimg * 1000), draw_sheet(generator))
    results = {
        "architecture": trainer.settings.architecture,
        "kimg": trainer.images_seen / 1000,
        "shipped_kimg": shipped.kimg,
        "shipped_reason": shipped.reason,
        "augment_p": trainer.p,
        "augment_preset": trainer.control.preset if trainer.settings.augment_mode != "none" else "",
        "leaks": course.leaks,
        "history": [snapshot.line() for snapshot in course.history],
        "sample_key": sample_key,
        "video_key": write_video(store, prefix),
        "torch_version": torch.__version__,
    }
    write_history(store, prefix, course.history)
    return bundle.write(store, {**fields, **results}, shipped.weights)


def _pinned(store: ObjectStore, prefix: str, initial_model: str) -> str:
    """The initial model as it was when the operation first started: "name" may mean a newer version by now."""
    key = f"{prefix}initial_model.json"
    with suppress(AlreadyExists):
        store.put(key, json.dumps({"initial_model": initial_model}).encode(), if_absent=True)
    pinned: str = json.loads(store.get(key))["initial_model"]
    return pinned


def _reporter(job: JobContext, kimg: float) -> Report:
    """Progress in images that the discriminator has seen, which are whole numbers where kimg are not."""
    total = math.ceil(kimg * 1000)

    def report(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        done = min(images_seen, total)
        sample_uri = job.store.uri(sample_key) if sample_key else ""
        job.report("training", done, total, "images", values=values, sample_uri=sample_uri)

    return report
