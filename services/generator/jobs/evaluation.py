"""Measuring a generator as a job."""

import numpy as np

from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import read_manifest
from defectory.errors import InvalidInput
from defectory.job_settings.messages import read
from defectory.job_settings.rendering import Truncation
from defectory.serving.manifests import reading_of
from defectory.serving.operations.context import JobContext
from services.generator import bundle
from services.generator.jobs.messages import require
from services.generator.metrics.classes import Classes, drawn_as_among
from services.generator.metrics.evaluate import Reference, check_held_out
from services.generator.metrics.fid import check_count
from services.generator.rendering import colours_of, render
from services.generator.synthesis import SynthesisSettings
from services.generator.training import data
from services.generator.training.device import on_best_device, set_up

MIN_EVALUATED, DEFAULT_EVALUATED, MAX_EVALUATED = 10, 500, 10_000
EVALUATED_PART = 64  # images between two reports


def plan_evaluation(request: generator_pb2.EvaluateGeneratorRequest) -> SynthesisSettings:
    """Check a request and say which images are to be made.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    require(request.model, "model")
    require(request.manifest_uri, "manifest_uri")
    truncation = read(Truncation, request)
    count = request.count or DEFAULT_EVALUATED
    if not MIN_EVALUATED <= count <= MAX_EVALUATED:
        right = f"{MIN_EVALUATED} to {MAX_EVALUATED}"
        raise InvalidInput(f"count is {count}: {right}", {"count": right})
    return SynthesisSettings(count=count, **truncation.model_dump())


def evaluate_generator(
    request: generator_pb2.EvaluateGeneratorRequest, job: JobContext
) -> generator_pb2.EvaluateGeneratorResponse:
    """Make images and measure them."""
    chosen = plan_evaluation(request)
    generator, card = bundle.load(job.store, request.model)
    lines = read_manifest(job.store, request.manifest_uri, reading_of(job))
    chosen_lines = [data.of_labels(lines, card.labels, split) for split in ("train", "validation")]
    train, held_out = (
        colours_of(data.pixels(job.store, of_split, card.architecture), card.architecture) for of_split in chosen_lines
    )
    check_held_out(held_out)
    if request.fid:  # said before an hour of synthesis
        check_count(len(held_out), "held-out")
        check_count(chosen.count, "synthetic")
    classes = Classes(card.classes, *(data.class_indices(of_split, card.classes) for of_split in chosen_lines))
    drawn = drawn_as_among(classes.held_out, chosen.chosen(0, chosen.count))
    generator, batches = on_best_device(generator, set_up(job.settings)), []
    for start in range(0, chosen.count, EVALUATED_PART):
        job.report("synthesising", start, chosen.count, "images")
        end = min(start + EVALUATED_PART, chosen.count)
        batches.append(
            render(
                generator,
                chosen.chosen(start, end),
                truncation_psi=chosen.truncation_psi,
                truncation_cutoff=chosen.truncation_cutoff,
                noise_mode=chosen.noise_mode,
                label=drawn and drawn[start:end],
            )
        )
    parts, mirror_y = map(data.parts_of, chosen_lines), card.settings.mirror_y
    reference, images = (
        Reference(train, held_out, classes, *parts, mirror_y=mirror_y),
        colours_of(np.concatenate(batches), card.architecture),
    )
    metrics = reference.measure(images, drawn).to_dict()
    if request.fid:
        metrics["fid"] = reference.frechet(images)
    return generator_pb2.EvaluateGeneratorResponse(metrics=metrics, held_out_images=len(held_out))
