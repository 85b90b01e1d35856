"""Synthesis as a job, a dataset of a generator's images; and what a preview of a few of them asks for."""

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput
from defectory.job_settings.messages import read
from defectory.job_settings.rendering import NoisyRendering, PreviewRendering
from defectory.serving.operations.context import JobContext
from services.generator import bundle, synthesis
from services.generator.jobs.messages import require
from services.generator.training.device import on_best_device, set_up

MAX_PREVIEW = 64


def plan_synthesis(request: generator_pb2.SynthesizeRequest) -> synthesis.SynthesisSettings:
    """Check a request; InvalidInput names every field that is wrong."""
    require(request.model, "model")
    chosen = synthesis.SynthesisSettings(
        count=request.count or len(request.seeds),
        seeds=tuple(request.seeds),
        first_seed=request.first_seed,
        label=request.class_label,
        restore_size=request.restore_size,
        **read(NoisyRendering, request).model_dump(),
    )
    synthesis.check(chosen, request.dataset)
    return chosen


def plan_preview(request: generator_pb2.PreviewRequest) -> synthesis.SynthesisSettings:
    """Check a request; InvalidInput names every field that is wrong."""
    chosen = synthesis.SynthesisSettings(
        count=len(request.seeds),
        seeds=tuple(request.seeds),
        label=request.class_label,
        **read(PreviewRendering, request).model_dump(),
    )
    wrong = {}
    if not 1 <= chosen.count <= MAX_PREVIEW:
        wrong["seeds"] = f"{chosen.count} seeds: 1 to {MAX_PREVIEW}"
    elif not all(0 <= seed < synthesis.SEED_LIMIT for seed in chosen.seeds):
        wrong["seeds"] = "each from 0 to 2^32 - 1"
    if not request.model:
        wrong["model"] = "required"
    if wrong:
        raise InvalidInput("; ".join(f"{name}: {why}" for name, why in wrong.items()), wrong)
    return chosen


def synthesize(request: generator_pb2.SynthesizeRequest, job: JobContext) -> generator_pb2.SynthesizeResponse:
    """Make the images and write them as a dataset."""
    chosen = plan_synthesis(request)
    generator, card = bundle.load(job.store, request.model)

    def progress(done: int, total: int) -> None:
        job.report("synthesising", done, total, "images")

    uri = synthesis.synthesize(
        job.store, on_best_device(generator, set_up(job.settings)), card, chosen, request.dataset, progress
    )
    return generator_pb2.SynthesizeResponse(manifest_uri=uri, count=chosen.count)
