"""The generator's long-running work: requests to domain calls, domain results to responses."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import ManifestLine, read_manifest
from defectory.errors import AlreadyExists, InvalidInput, NotFound
from defectory.models import check_name, reserve_version, version_prefix
from defectory.serving.operations.context import JobContext
from defectory.storage import ObjectStore
from services.generator import bundle, synthesis
from services.generator.importing.importing import import_pickle
from services.generator.metrics.evaluate import check_held_out, evaluate
from services.generator.rendering import render
from services.generator.synthesis import SynthesisSettings
from services.generator.training import data, settings, transfer
from services.generator.training.checkpoints import Checkpoints
from services.generator.training.device import on_best_device
from services.generator.training.distributed import ALONE, World
from services.generator.training.loop import Report, fingerprint, train
from services.generator.training.read_only import ReadOnly
from services.generator.training.trainer import Trainer

MIN_EVALUATED, DEFAULT_EVALUATED, MAX_EVALUATED = 10, 500, 10_000
EVALUATED_PART = 64  # images between two reports


@dataclass(frozen=True)
class TrainingPlan:
    """What a training will do, as far as it can be known without reading images."""

    lines: Sequence[ManifestLine]
    classes: Sequence[int]  # of every line, the index of its label; empty: one label
    size_px: int
    values: Mapping[str, Any]  # settings that were given
    initial_model: str  # "name/version" or empty


def plan_training(request: generator_pb2.TrainGeneratorRequest, store: ObjectStore) -> TrainingPlan:
    """Check a request.

    Raises:
        InvalidInput: a setting, the label, a training image that is tested on. NotFound: manifest, initial model.
    """
    check_name(request.name)
    if request.label and request.labels:
        right = "one of the two"
        raise InvalidInput(f"both label and labels are given: {right}", {"label": right, "labels": right})
    if not request.labels:
        _require(request.label, "label")
    _require(request.manifest_uri, "manifest_uri")
    if request.seed < 0:
        raise InvalidInput(f"seed is {request.seed}: at least 0", {"seed": "at least 0"})
    values = _given(request.settings)
    manifest = read_manifest(store, request.manifest_uri)
    classes: Sequence[int] = ()
    if request.labels:
        lines, classes = data.select_classes(manifest, list(request.labels))
    else:
        lines = data.select(manifest, request.label)
    size_px = data.size_of(lines)
    settings.resolve(values, size_px=size_px, channels=3, classes=len(request.labels))
    initial = transfer.full_name(store, request.initial_model) if request.initial_model else ""
    return TrainingPlan(lines, classes, size_px, values, initial)


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
    job.report("reading images", 0, 0, "images")
    plan = plan_training(request, job.store)
    initial = world.in_turn(lambda: _pinned(job.store, prefix, plan.initial_model))
    images = data.load(job.store, plan.lines, plan.values.get("resolution_px"))
    chosen = settings.resolve(
        plan.values,
        size_px=plan.size_px,
        channels=images.pixels.shape[1],
        classes=len(request.labels),
        initial=transfer.architecture_of(job.store, initial) if initial else None,
    )

    classes = torch.tensor(plan.classes) if plan.classes else None

    def make_trainer() -> Trainer:
        trainer = Trainer(images.pixels, chosen, request.seed, classes, world)
        if initial:
            transfer.start_from(trainer, job.store, initial)
        return trainer

    identity = fingerprint(chosen, request.seed, images.content_hash, initial)
    store = job.store if world.writes else ReadOnly(job.store)
    trainer, sample_key = train(make_trainer, store, prefix, identity, _reporter(job, chosen.kimg))
    if not world.writes:
        return generator_pb2.TrainGeneratorResponse()
    fields = {
        "name": request.name,
        "version": version,
        "label": request.label or "+".join(request.labels),
        "classes": tuple(request.labels),
        "architecture": chosen.architecture,
        "kimg": trainer.images_seen / 1000,
        "augment_p": trainer.p,
        "manifest_uri": request.manifest_uri,
        "content_hash": images.content_hash,
        "training_images": len(images.pixels),
        "settings": chosen,
        "seed": request.seed,
        "initial_model": initial,
        "sample_key": sample_key,
        "torch_version": torch.__version__,
        "stretched_from": data.original_size(plan.lines),
    }
    card = bundle.write(job.store, fields, trainer.average.state_dict())
    Checkpoints(job.store, prefix, identity).keep_last()
    return generator_pb2.TrainGeneratorResponse(generator=describe(job.store, card))


def plan_synthesis(request: generator_pb2.SynthesizeRequest) -> synthesis.SynthesisSettings:
    """Check a request; InvalidInput names every field that is wrong."""
    _require(request.model, "model")
    chosen = synthesis.SynthesisSettings(
        count=request.count or len(request.seeds),
        seeds=tuple(request.seeds),
        first_seed=request.first_seed,
        truncation_psi=request.truncation_psi if request.HasField("truncation_psi") else 1.0,
        noise_mode=request.noise_mode or "random",  # type: ignore[arg-type]  # checked in the next line
        label=request.class_label,
        restore_size=request.restore_size,
    )
    synthesis.check(chosen, request.dataset)
    return chosen


def synthesize(request: generator_pb2.SynthesizeRequest, job: JobContext) -> generator_pb2.SynthesizeResponse:
    """Make the images and write them as a dataset."""
    chosen = plan_synthesis(request)
    generator, card = bundle.load(job.store, request.model)

    def progress(done: int, total: int) -> None:
        job.report("synthesising", done, total, "images")

    uri = synthesis.synthesize(job.store, on_best_device(generator), card, chosen, request.dataset, progress)
    return generator_pb2.SynthesizeResponse(manifest_uri=uri, count=chosen.count)


def plan_evaluation(request: generator_pb2.EvaluateGeneratorRequest) -> SynthesisSettings:
    """Check a request and say which images are to be made.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    _require(request.model, "model")
    _require(request.manifest_uri, "manifest_uri")
    psi = request.truncation_psi if request.HasField("truncation_psi") else 1.0
    count = request.count or DEFAULT_EVALUATED
    wrong = synthesis.look_problems(psi, "random")
    if not MIN_EVALUATED <= count <= MAX_EVALUATED:
        wrong["count"] = f"{count}: {MIN_EVALUATED} to {MAX_EVALUATED}"
    if wrong:
        raise InvalidInput("; ".join(f"{k} is {v}" for k, v in wrong.items()), wrong)
    return SynthesisSettings(count=count, truncation_psi=psi)


def evaluate_generator(
    request: generator_pb2.EvaluateGeneratorRequest, job: JobContext
) -> generator_pb2.EvaluateGeneratorResponse:
    """Make images and measure them."""
    chosen = plan_evaluation(request)
    generator, card = bundle.load(job.store, request.model)
    lines = read_manifest(job.store, request.manifest_uri)
    train, held_out = (_pixels(job, lines, card, split) for split in ("train", "validation"))
    check_held_out(held_out)
    generator, made = on_best_device(generator), []
    for start in range(0, chosen.count, EVALUATED_PART):
        job.report("synthesising", start, chosen.count, "images")
        seeds = chosen.chosen(start, min(start + EVALUATED_PART, chosen.count))
        made.append(render(generator, seeds, truncation_psi=chosen.truncation_psi, noise_mode="random"))
    scores = evaluate(np.concatenate(made), train, held_out)
    return generator_pb2.EvaluateGeneratorResponse(metrics=scores.to_dict(), held_out_images=len(held_out))


def _pixels(job: JobContext, lines: Sequence[ManifestLine], card: bundle.GeneratorCard, split: str) -> np.ndarray:
    """Images of the model's label in a split, in its size and colours: (N, R, R, C) uint8, N possibly 0."""
    chosen = [line for label in card.labels for line in data.of_split(lines, label, split)]
    side, channels = card.architecture.resolution_px, card.architecture.channels
    if not chosen:
        return np.empty((0, side, side, channels), np.uint8)
    pixels = data.load(job.store, chosen, side).pixels.permute(0, 2, 3, 1).numpy()
    return data.in_channels(pixels, channels)


def plan_import(request: generator_pb2.ImportGeneratorRequest, store: ObjectStore) -> str:
    """Check a request and return the pickle's object key.

    Raises:
        InvalidInput: name, label or URI. Refused: a URI outside of the store. NotFound: no such object.
    """
    check_name(request.name)
    _require(request.label, "label")
    _require(request.pickle_uri, "pickle_uri")
    key = store.key(request.pickle_uri)
    if not store.exists(key):
        raise NotFound(f"there is no object {request.pickle_uri}; put the pickle there first")
    return key


def import_generator(
    request: generator_pb2.ImportGeneratorRequest, job: JobContext
) -> generator_pb2.ImportGeneratorResponse:
    """Read the pickle and write the model."""
    key = plan_import(request, job.store)
    version = reserve_version(job.store, bundle.KIND, request.name, job.operation_id)
    job.report("importing", 0, 1, "networks")
    card = import_pickle(job.store, job.store.get(key), request.name, version, request.label)
    job.report("importing", 1, 1, "networks")
    return generator_pb2.ImportGeneratorResponse(generator=describe(job.store, card))


def describe(store: ObjectStore, card: bundle.GeneratorCard) -> generator_pb2.Generator:
    """A card as the message that callers get."""
    return generator_pb2.Generator(
        name=card.name,
        version=card.version,
        label=card.label,
        resolution_px=card.architecture.resolution_px,
        channels=card.architecture.channels,
        kimg=card.kimg,
        augment_p=card.augment_p,
        weights_sha256=card.weights_sha256,
        weights_uri=store.uri(card.prefix + bundle.WEIGHTS),
        card_uri=store.uri(card.prefix + "model.json"),
        sample_uri=store.uri(card.sample_key) if card.sample_key else "",
        classes=card.classes,
    )


def _given(message: generator_pb2.TrainingSettings) -> dict[str, Any]:
    """Settings that were given: those with presence when they are present, the others when they are not zero."""
    return {field.name: value for field, value in message.ListFields()}


def _require(value: str, field: str) -> None:
    if not value:
        raise InvalidInput(f"{field} is empty", {field: "required"})


def _pinned(store: ObjectStore, prefix: str, initial_model: str) -> str:
    """The initial model as it was when the operation first started: "name" may mean a newer version by now."""
    key = f"{prefix}initial_model.json"
    with suppress(AlreadyExists):
        store.put(key, json.dumps({"initial_model": initial_model}).encode(), if_absent=True)
    pinned: str = json.loads(store.get(key))["initial_model"]
    return pinned


def _reporter(job: JobContext, kimg: float) -> Report:
    """Progress in whole kimg, as the operation's metadata has it; the exact figure is among the values."""
    total = math.ceil(kimg)

    def report(images_seen: int, values: Mapping[str, float], sample_key: str) -> None:
        done = total if images_seen >= kimg * 1000 else images_seen // 1000
        sample_uri = job.store.uri(sample_key) if sample_key else ""
        job.report("training", done, total, "kimg", values=values, sample_uri=sample_uri)

    return report
